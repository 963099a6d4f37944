import { defineConfig } from 'vitest/config'

/** What needs a `terraform`: see test/terraform. Apart from the others, so that `npm test` needs nothing but Node.js. */
const config: ReturnType<typeof defineConfig> = defineConfig({
  test: { include: ['test/terraform/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})

export default config
