/**
 * Before the script's name on the command line of a Node.js process that a test starts: no threads for V8. With them a process
 * may rarely hang for ever when it has nothing left to do (nodejs/node#54918), and a test run starts thousands.
 */
export const NODE_FLAGS: readonly string[] = ['--single-threaded']

/** For `spawnSync` and its like, which the time limit of a test cannot interrupt. */
export const WITHIN_LIMIT = { timeout: 30_000, killSignal: 'SIGKILL' } as const
