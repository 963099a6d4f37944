// Does one operation and kills itself at one of its file-system calls:
// `kill-worker.mjs <folder> <operation> <before|within|after> <number of the call> [mistake of the store]`.
// It says so once the operation has returned.
import fs from 'node:fs'
import { run } from '../../dist/cli/run.js'
import { composeBackend } from '../../dist/src/backend/compose.js'
import { openEnvironment } from '../../dist/src/backend/local/environment.js'
import * as local from '../../dist/src/backend/local/index.js'
import { SecretFiles } from '../../dist/src/backend/local/secret-files.js'
import { SignedLog } from '../../dist/src/backend/log/signed-log.js'
import { createPolicy } from '../../dist/src/key/policy.js'
import { openKeyring } from '../../dist/src/keyring/keyring.js'
import { createKey, rotateKey } from '../../dist/src/rotation/apply.js'
import { rotateDue } from '../../dist/src/rotation/apply-due.js'
import { compromiseVersion } from '../../dist/src/rotation/compromise.js'
import { postponeVersion } from '../../dist/src/rotation/events.js'
import { brokenOpener } from './broken-stores.mjs'
import { after, watchCalls } from './calls.mjs'
import { createOperations, opener, placesIn } from './operations.mjs'

const { createLocalEnvironment, createSeenFile, openLocalBackend } = local
const [folder, name, when, number, mistake] = process.argv.slice(2)
const operations = createOperations({
  compromiseVersion,
  createKey,
  createLocalEnvironment,
  createPolicy,
  local,
  openKeyring,
  postponeVersion,
  rotateDue,
  rotateKey,
  run,
})
const operation = operations.find((one) => one.name === name)
const open = mistake
  ? brokenOpener({ composeBackend, createSeenFile, openEnvironment, SecretFiles, SignedLog }, mistake)
  : opener({ openLocalBackend, createSeenFile })

function die() {
  process.kill(process.pid, 'SIGKILL')
}

const stop = watchCalls(folder, (call, proceed) => {
  if (call.number !== Number(number)) return proceed()
  if (when === 'before') die()
  if (when === 'after') return after(proceed(), die)
  return after(proceed(call.data.subarray(0, call.data.length >> 1)), die)
})
await operation.run(placesIn(folder), open)
fs.writeSync(1, 'acknowledged\n')
stop()
