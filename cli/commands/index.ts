import type { Command } from '../command.ts'
import { auditCheckpoint, auditLog, auditVerify } from './audit.ts'
import { completion } from './completion.ts'
import { dataDecrypt, dataEncrypt, dataRewrap } from './data.ts'
import { doctor } from './doctor.ts'
import { environmentProtect, environmentRekey, environmentRoleKey, environmentShow } from './environment.ts'
import { init } from './init.ts'
import { jwksCheck, jwksExport, jwksPublish, jwksServe } from './jwks.ts'
import { keyAdopt, keyCreate, keyExport, keyHistory, keyImport, keyList, keyShow } from './key.ts'
import { metrics } from './metrics.ts'
import { report } from './report.ts'
import { plan, rotate } from './rotate.ts'
import { terraformCheck, terraformImportBlocks } from './terraform.ts'
import { tokenDecrypt, tokenEncrypt, tokenInspect, tokenSign, tokenVerify } from './token.ts'
import {
  versionCompromise,
  versionDestroy,
  versionPostpone,
  versionRestore,
  versionResume,
  versionSuspend,
} from './version.ts'

/** Every command, in the order in which help lists them. */
export const commands: readonly Command[] = [
  init,
  environmentShow,
  environmentProtect,
  environmentRekey,
  environmentRoleKey,
  keyCreate,
  keyList,
  keyShow,
  keyHistory,
  keyImport,
  keyExport,
  keyAdopt,
  plan,
  rotate,
  versionPostpone,
  versionSuspend,
  versionResume,
  versionCompromise,
  versionDestroy,
  versionRestore,
  jwksExport,
  jwksServe,
  jwksPublish,
  jwksCheck,
  tokenSign,
  tokenVerify,
  tokenInspect,
  tokenEncrypt,
  tokenDecrypt,
  dataEncrypt,
  dataDecrypt,
  dataRewrap,
  auditVerify,
  auditLog,
  auditCheckpoint,
  metrics,
  doctor,
  report,
  terraformImportBlocks,
  terraformCheck,
  completion,
]

/** What the commands of one noun have in common. */
export const nouns: Readonly<Record<string, string>> = {
  environment: 'Look at an environment, make role keys, change its passphrase or master key',
  key: 'Create keys, look at them, import and export them',
  version: 'Postpone, stop, give up or destroy one version of a key',
  jwks: 'Publish public keys',
  token: 'Sign, verify, inspect, encrypt and decrypt JWTs',
  data: 'Encrypt and decrypt data, and move it to the active version',
  terraform: 'Hand first versions to the Terraform modules, and hold live keys against them',
  audit: 'Check the records, show them, and keep how far they reach',
}
