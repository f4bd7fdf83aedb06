// The compositions of bench/resilience.cpp with opossum and cockatiel, success path, one thread. Prints one line for
// each: name, then nanoseconds of processor time per call. `node peers.mjs [calls]`, where node_modules has the two.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const require = createRequire(pathToFileURL(path.join(process.cwd(), 'package.json')));
const CircuitBreaker = require('opossum');
const cockatiel = require('cockatiel');

const calls = Number(process.argv[2] ?? 200_000);
const answer = async () => 1;

async function measure(name, call) {
  for (let i = 0; i < calls / 10; ++i) await call(); // warm, so that the compiler has seen it
  const before = process.cpuUsage();
  for (let i = 0; i < calls; ++i) await call();
  const { user, system } = process.cpuUsage(before);
  const took = ((user + system) * 1000) / calls;
  console.log(`${name} ${took.toFixed(1)}`);
}

// opossum has timeout, breaker and capacity (a bulkhead without a queue) in one object; it has no retry and no limiter.
const breakerOnly = new CircuitBreaker(answer, { timeout: false, errorThresholdPercentage: 50, resetTimeout: 30_000 });
const breakerAndTimeout = new CircuitBreaker(answer, { timeout: 1000, errorThresholdPercentage: 50, resetTimeout: 30_000 });
const opossumThree = new CircuitBreaker(answer, {
  timeout: 1000, errorThresholdPercentage: 50, resetTimeout: 30_000, capacity: 1024 });

const { retry, circuitBreaker, timeout, bulkhead, wrap, handleAll, ExponentialBackoff, SamplingBreaker, TimeoutStrategy } =
  cockatiel;
const make = {
  timeout: () => timeout(1000, TimeoutStrategy.Cooperative),
  retry: () => retry(handleAll, { maxAttempts: 2, backoff: new ExponentialBackoff() }),
  breaker: () => circuitBreaker(handleAll, {
    halfOpenAfter: 30_000, breaker: new SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }) }),
  bulkhead: () => bulkhead(1024, 1024),
};
const four = wrap(make.timeout(), make.retry(), make.breaker(), make.bulkhead()); // it has no rate limiter

await measure('bare', answer);
await measure('opossum_breaker', () => breakerOnly.fire());
await measure('opossum_breaker_and_timeout', () => breakerAndTimeout.fire());
await measure('opossum_breaker_timeout_bulkhead', () => opossumThree.fire());
for (const [name, policy] of Object.entries(make)) {
  const made = policy();
  await measure(`cockatiel_${name}`, () => made.execute(answer));
}
const pair = wrap(make.breaker(), make.timeout());
await measure('cockatiel_breaker_and_timeout', () => pair.execute(answer));
await measure('cockatiel_four', () => four.execute(answer));
for (const each of [breakerOnly, breakerAndTimeout, opossumThree]) each.shutdown();
