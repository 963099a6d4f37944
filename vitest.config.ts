import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { IS_LONG_RUN } from './test/support/long-run.ts'

const LIMIT_MS = IS_LONG_RUN ? 7_200_000 : 60_000

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const config: ViteUserConfig = defineConfig({
  resolve: {
    alias: [
      { find: /^keyturn$/, replacement: source('./src/index.ts') },
      { find: /^keyturn\/local$/, replacement: source('./src/backend/local/index.ts') },
      { find: /^keyturn\/aws-kms$/, replacement: source('./src/backend/aws-kms/index.ts') },
      { find: /^keyturn\/gcp-kms$/, replacement: source('./src/backend/gcp-kms/index.ts') },
      { find: /^keyturn\/conformance$/, replacement: source('./src/backend/conformance.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    // npm run test:terraform
    exclude: ['test/terraform/**', 'test/aws/**'],
    reporters: ['default', './test/support/stall-reporter.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/secrecy.ts'],
    // One more than there are cores: many a test waits for a child process or a timer.
    maxWorkers: availableParallelism() + 1,
    testTimeout: LIMIT_MS,
    hookTimeout: LIMIT_MS,
  },
})

export default config
