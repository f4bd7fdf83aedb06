// The same work as bench/amqp.cpp through amqplib; the options are those of bench/messaging_plan.hpp.
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { parseArgs } from 'node:util';

// The packages are installed below the build folder, from which this runs.
const amqplib = createRequire(`${process.cwd()}/`)('amqplib');

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    url: text('amqp://weft:weft@127.0.0.1:24672/'), queue: text('weft.bench'), 'queue-type': text('classic'),
    mode: text('publish'), count: text('50000'), window: text('256'), prefetch: text('250'), 'ack-every': text('50'),
    rate: text('0'),
  },
});
const plan = {
  ...values, type: values['queue-type'], count: Number(values.count), window: Number(values.window),
  prefetch: Number(values.prefetch), ackEvery: Number(values['ack-every']), rate: Number(values.rate),
};

const cpuMicroseconds = () => {
  const used = process.resourceUsage();
  return used.userCPUTime + used.systemCPUTime;
};

class Measure {
  constructor() {
    this.latencies = [];
    this.cpu = cpuMicroseconds();
    this.began = performance.now();
  }
  elapsed() {
    return performance.now() - this.began;  // milliseconds
  }
  report(count) {
    const seconds = this.elapsed() / 1000;
    const cpu = cpuMicroseconds() - this.cpu;
    const sorted = Float64Array.from(this.latencies).sort();
    const at = (part) => (sorted.length === 0 ? 0 : Math.round(1000 * sorted[Math.floor(part * (sorted.length - 1))]));
    console.log(JSON.stringify({
      mode: plan.mode, count, seconds, per_second: Math.round(count / seconds), cpu_us: cpu / count,
      p50_us: at(0.5), p99_us: at(0.99),
    }));
  }
}

async function publish(connection) {
  const channel = await connection.createConfirmChannel();
  await channel.deleteQueue(plan.queue);
  await channel.assertQueue(plan.queue, { durable: true, arguments: { 'x-queue-type': plan.type } });
  const body = Buffer.alloc(256, 'x');
  const measure = new Measure();
  let sent = 0;
  let settled = 0;
  await new Promise((resolve, reject) => {
    const publishOne = () => {
      const due = plan.rate > 0 ? 1000 * sent / plan.rate : measure.elapsed();
      sent += 1;
      channel.publish('', plan.queue, body, { persistent: true }, (problem) => {
        if (problem) reject(problem);
        measure.latencies.push(measure.elapsed() - due);
        settled += 1;
        if (settled === plan.count) resolve();
        else if (plan.rate === 0) fill();
      });
    };
    const fill = () => {
      while (sent < plan.count && sent - settled < plan.window) publishOne();
    };
    const tick = () => {
      const due = Math.min(plan.count, plan.rate * measure.elapsed() / 1000);
      while (sent < due && sent - settled < plan.window) publishOne();
      if (sent < plan.count) setTimeout(tick, 1);
    };
    if (plan.rate > 0) tick();
    else fill();
  });
  measure.report(settled);
}

async function consume(connection) {
  const channel = await connection.createChannel();
  await channel.prefetch(plan.prefetch);
  const measure = new Measure();
  let taken = 0;
  await new Promise((resolve) => {
    channel.consume(plan.queue, (delivery) => {
      if (delivery === null) return;  // the queue was deleted
      taken += 1;
      if (taken % plan.ackEvery === 0 || taken === plan.count) channel.ack(delivery, plan.ackEvery > 1);
      if (taken === plan.count) resolve();
    });
  });
  measure.report(taken);
  await channel.deleteQueue(plan.queue);
}

const connection = await amqplib.connect(plan.url);
await (plan.mode === 'consume' ? consume : publish)(connection);
await connection.close();
