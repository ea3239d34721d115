// The engine's lock deadline leaves a timer of 10 s behind that keeps the process alive after its
// work is done; nobody waits for it here.
const setTimer = globalThis.setTimeout;
globalThis.setTimeout = (work, delay, ...rest) => {
  const timer = setTimer(work, delay, ...rest);
  return delay >= 10_000 ? timer.unref() : timer;
};
