// The backend looks where the SDK is installed, to use the gRPC that belongs to it: an alias of Vitest does not reach that.
import Module from 'node:module'

const sdk = process.env.KEYTURN_GCP_KMS
const resolve = Module._resolveFilename

Module._resolveFilename = function (name, ...rest) {
  return name === '@google-cloud/kms' ? sdk : resolve.call(this, name, ...rest)
}
