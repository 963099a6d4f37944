import { execFileSync } from 'node:child_process'

/** Tests that start processes run what is shipped: it is built anew before each run. Types are checked elsewhere. */
export default function build(): void {
  execFileSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck'],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  )
}
