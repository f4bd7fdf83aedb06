// The example takes nothing for given.
