/** What the kernels import, the same for a worker and for the main thread. */

export const imports = (memory: WebAssembly.Memory) => ({
  env: {
    memory,
    /** Milliseconds that this thread has computed: other programs on the machine do not count. */
    now: () => {
      const { system, user } = process.threadCpuUsage()
      return (user + system) / 1000
    },
    /** What tests ask for: 1 dies in the middle of a task, 2 never comes back from it. */
    injectFault: (kind: number) => {
      if (kind === 1) process.exit(1)
      for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    }
  }
})
