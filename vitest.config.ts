import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

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
    globalSetup: ['test/support/build.ts', 'test/support/secrecy.ts'],
    // Vitest leaves a core to itself, which on two cores means that one is idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})

export default config
