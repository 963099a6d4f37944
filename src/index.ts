// The public API. Everything that is exported here is documented where it is defined; nothing is defined here.

export type { AwsKmsBackendConfig, KmsClientLike } from './backend/aws-kms/config.ts'
export type {
  Backend,
  CallOptions,
  Capabilities,
  EncryptionHandle,
  Finding,
  FindingCode,
  KeyFilter,
  MaterialSource,
  NewContentKey,
  SigningHandle,
  VersionDraft,
} from './backend/backend.ts'
export { isFinding } from './backend/backend.ts'
export type { Change, CreatedMaterial, FoundKeys, KeyMaterial, RecordStore } from './backend/compose.ts'
export { composeBackend } from './backend/compose.ts'
export type { GcpKmsClient } from './backend/gcp-kms/client.ts'
export type { GcpKmsBackendConfig } from './backend/gcp-kms/config.ts'
export { guardBackend } from './backend/guard.ts'
export type {
  AuditEntry,
  AuditedLog,
  AuditTrail,
  Checkpoint,
  LocalBackendConfig,
} from './backend/local/index.ts'
export type { BackendConfig } from './backend/open.ts'
export { BACKEND_KINDS, loadLocalBackend, openBackend } from './backend/open.ts'
export type { BackendErrorCode, KeyturnErrorOptions, TokenErrorCode } from './errors.ts'
export {
  BackendError,
  ClaimsError,
  ClosedError,
  ConfigurationError,
  ContentMismatchError,
  DecryptionError,
  EnvironmentMismatchError,
  IntegrityError,
  InvalidInputError,
  KeyExistsError,
  KeyNotFoundError,
  KeyringStaleError,
  KeyturnError,
  MaterialReusedError,
  NoActiveVersionError,
  PolicyError,
  PurposeMismatchError,
  RolledBackError,
  StateError,
  TokenError,
  UnsupportedAlgorithmError,
  VersionConflictError,
  WeakKeyError,
} from './errors.ts'
export type {
  ActivationSafety,
  JwksCheck,
  JwksDisagreement,
  JwksDisagreementCode,
  LiveJwks,
} from './jwks/check.ts'
export { checkJwks } from './jwks/check.ts'
export type { JwksDocument, JwksOptions, JwksPublication, PublishedJwk } from './jwks/document.ts'
export {
  createJwksDocument,
  createKeyJwksDocument,
  nextMembershipChange,
  serializeJwks,
} from './jwks/document.ts'
export type { GateOutcome } from './jwks/gate.ts'
export { gateActivations } from './jwks/gate.ts'
export type { PublishedKey } from './jwks/import.ts'
export { parseJwks } from './jwks/import.ts'
export { fetchLiveJwks } from './jwks/live.ts'
export type { JwksTargetOptions } from './jwks/publish/open.ts'
export { openJwksTarget } from './jwks/publish/open.ts'
export type { PublishOptions, PublishOutcome } from './jwks/publish/publish.ts'
export { publishJwks } from './jwks/publish/publish.ts'
export { revisionOf } from './jwks/publish/revision.ts'
export type { JwksTarget, Publication, PublicationMark, Published } from './jwks/publish/target.ts'
export { isDiscoverable } from './jwks/serve/discovery.ts'
export { createNodeJwksHandler, createWebJwksHandler } from './jwks/serve/handlers.ts'
export type { JwksPublisher, JwksPublisherOptions } from './jwks/serve/publisher.ts'
export { openJwksPublisher } from './jwks/serve/publisher.ts'
export type { JwksHandlerOptions } from './jwks/serve/responder.ts'
export type { Refusal, ServedDocument } from './jwks/serve/served.ts'
export type { JwksServer, JwksServerOptions, ServedRequest, StopOptions } from './jwks/serve/server.ts'
export { startJwksServer } from './jwks/serve/server.ts'
export type { KeyStatus, PublisherStatus } from './jwks/serve/status.ts'
export type { RemotelyVerifiedJwt, TokenRequirements } from './jwks/token-verifier.ts'
export type {
  JwksVerifier,
  JwksVerifierOptions,
  RemoteJwksVerifier,
  RemoteJwksVerifierOptions,
} from './jwks/verifier.ts'
export { createJwksVerifier } from './jwks/verifier.ts'
export type { EncryptAlg, KeyAlgorithm, SignAlg } from './key/algorithm.ts'
export {
  defaultAlgorithm,
  describeAlgorithm,
  ENCRYPT_ALGS,
  isAsymmetric,
  isSameAlgorithm,
  KMS_WRAP,
  parseAlgorithm,
  SIGN_ALGS,
} from './key/algorithm.ts'
export type { Instant, Seconds } from './key/duration.ts'
export { formatDuration, formatInstant, parseDuration, parseInstant } from './key/duration.ts'
export { publicFingerprint, secretFingerprint, thumbprintOf } from './key/fingerprint.ts'
export { checkNotRolledBack } from './key/history.ts'
export type { PublicJwk } from './key/jwk.ts'
export type { State, Timeline } from './key/lifecycle.ts'
export {
  activationOf,
  activeVersion,
  announcedAt,
  isPublished,
  mayProcess,
  mayProtect,
  nextTransition,
  STATES,
  stateAt,
  stateOf,
  timelinesOf,
} from './key/lifecycle.ts'
export type { EncryptPolicy, Policy, PolicyField, PolicyOverrides, SignPolicy } from './key/policy.ts'
export {
  adjustPolicy,
  createPolicy,
  formatPolicy,
  isSignPolicy,
  parsePolicy,
  policyFields,
} from './key/policy.ts'
export type {
  Activation,
  Attribution,
  Content,
  KeyRecord,
  MaterialLocator,
  Origin,
  VersionEvent,
  VersionEventType,
  VersionRecord,
} from './key/record.ts'
export { findVersion, formatVersion, keyOf, kidOf, latestNumber } from './key/record.ts'
export type { KeyRef, KeySelector, Purpose, VersionRef } from './key/ref.ts'
export {
  formatKeyRef,
  formatVersionRef,
  keyRefOf,
  PURPOSES,
  parseEnvironment,
  parseKeyRef,
  parseKeySelector,
  parseName,
  parsePurpose,
  parseVersionRef,
  requireEnvironment,
  requirePurpose,
  versionRefOf,
} from './key/ref.ts'
export type { JsonObject, JsonValue } from './key/strict-json.ts'
export { parseStrictJson, parseStrictJsonObject } from './key/strict-json.ts'
export type { Clock } from './keyring/clock.ts'
export type { UsedVersion } from './keyring/content.ts'
export type {
  DataOptions,
  DecryptedJwt,
  DecryptedNestedJwt,
  DecryptJwtOptions,
  DecryptNestedOptions,
  Encrypter,
  EncrypterOptions,
  EncryptJwtOptions,
  NestedVerifier,
} from './keyring/encrypter.ts'
export type { Keyring, KeyringOptions } from './keyring/keyring.ts'
export { openKeyring } from './keyring/keyring.ts'
export type { RewrapOptions, Rewrapped, Rewrapper } from './keyring/rewrapper.ts'
export type { SignBytesOptions, Signer, SignJwtOptions } from './keyring/signer.ts'
export type { VerifiedBytes, VerifiedJwt, Verifier, VerifierOptions } from './keyring/verifier.ts'
export type { KeyringWarning, OnWarning, Warning } from './keyring/warnings.ts'
export type { ExportedPublicJwk } from './material/export.ts'
export {
  dangerouslyFormatJwk,
  dangerouslyFormatPem,
  decryptPrivateJwk,
  encryptPrivateJwk,
  exportPublicJwk,
  exportPublicPem,
} from './material/export.ts'
export type { PrivateJwk } from './material/generate.ts'
export { exportPrivateJwk, generateMaterial, importPrivateJwk } from './material/generate.ts'
export type { MaterialFormat, ReadMaterial, ReadMaterialOptions } from './material/read-material.ts'
export { readMaterial } from './material/read-material.ts'
export type { MetricFamily, Sample } from './metrics/exposition.ts'
export { formatMetrics, METRICS_MEDIA_TYPE } from './metrics/exposition.ts'
export type { KeyMetricsInput } from './metrics/key-metrics.ts'
export { createKeyMetrics } from './metrics/key-metrics.ts'
export type { ReportInput } from './report/report.ts'
export { renderReport } from './report/report.ts'
export type { CreateKeyOptions, RotateOptions, RotationOutcome } from './rotation/apply.ts'
export { createKey, rotateKey, usualAlgorithm } from './rotation/apply.ts'
export type { DoneStep, DueOutcome, DueProgress, KeyOutcome, RotateDueOptions } from './rotation/apply-due.ts'
export { rotateDue } from './rotation/apply-due.ts'
export type { CompromiseOptions, CompromiseOutcome, Succession } from './rotation/compromise.ts'
export { compromiseVersion } from './rotation/compromise.ts'
export { consequencesOf } from './rotation/consequences.ts'
export { rotationDueAt } from './rotation/due.ts'
export type { DestroyStep, DestructibleVersion } from './rotation/due-destruction.ts'
export { destructionDueAt } from './rotation/due-destruction.ts'
export type { DueNote, DueNoteCode } from './rotation/due-notes.ts'
export type { EventOptions, EventOutcome, PostponeOptions } from './rotation/events.ts'
export {
  destroyVersion,
  postponeVersion,
  restoreVersion,
  resumeVersion,
  suspendVersion,
} from './rotation/events.ts'
export type { PlanRotationOptions, RotationPlan, RotationStep } from './rotation/plan.ts'
export { planRotation } from './rotation/plan.ts'
export type { DuePlan, DueStep, KeyDue, PlanDueOptions } from './rotation/plan-due.ts'
export { planDue, planKeyDue } from './rotation/plan-due.ts'
export type { CompromiseRunbook } from './rotation/runbook.ts'
export { createCompromiseRunbook } from './rotation/runbook.ts'
export type { Claims, VerifiedClaims } from './token/claims.ts'
export type { SensitiveClaim } from './token/claims-guard.ts'
export { findSensitiveClaims, guardClaims } from './token/claims-guard.ts'
export type { InspectedToken } from './token/inspect.ts'
export { inspectToken } from './token/inspect.ts'
export type { Context } from './token/jwe.ts'
export type { JwsHeader } from './token/jws.ts'
