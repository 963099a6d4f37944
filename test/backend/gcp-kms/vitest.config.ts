import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../../vitest.config.ts'

// The next major of the Google Cloud KMS SDK, which .ci/gcp-kms-6 installs beside the tree, in place of the one in package.json.
const modules = fileURLToPath(new URL('../../../.build/gcp-kms-6/node_modules', import.meta.url))
const sdk = `${modules}/@google-cloud/kms/build/src/index.js`
if (!existsSync(sdk)) throw new Error('run .ci/gcp-kms-6: it installs @google-cloud/kms 6 first')

const config: ReturnType<typeof defineConfig> = mergeConfig(
  base,
  defineConfig({
    resolve: {
      alias: [
        { find: /^@google-cloud\/kms$/, replacement: sdk },
        // Credentials have to be of the very gRPC that the client uses.
        { find: /^google-gax$/, replacement: `${modules}/google-gax/build/src/index.js` },
      ],
    },
    test: {
      env: { KEYTURN_GCP_KMS: sdk },
      setupFiles: [fileURLToPath(new URL('../../support/gcp-kms-6.mjs', import.meta.url))],
    },
  }),
)

export default config
