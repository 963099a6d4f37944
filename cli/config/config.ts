import { dirname, resolve } from 'node:path'
import {
  ConfigurationError,
  type JsonObject,
  KeyturnError,
  type PolicyField,
  type PolicyOverrides,
  PURPOSES,
  type Purpose,
  parseDuration,
  parseEnvironment,
  parseKeySelector,
  parseStrictJsonObject,
  policyFields,
} from '../../src/index.ts'
import { type ConfiguredBackend, parseBackend } from './backends.ts'
import { Field } from './field.ts'
import { readConfigFile } from './read.ts'

export const CONFIG_FILE = 'keyturn.config.json'

export interface ConfiguredEnvironment {
  /** The file that says so. */
  readonly file: string
  readonly backend: ConfiguredBackend
  readonly issuer?: string
  /** Where consumers fetch the JWKS; `{name}` stands for the name of a key. */
  readonly jwksUrl?: string
  /** The keys that have periods of their own, as `purpose/name`. */
  readonly policyKeys: readonly string[]
  /** Of a key: what is said for its purpose, then what is said for the key itself. */
  policyOf(purpose: Purpose, name: string): PolicyOverrides
}

/** A configuration file and those that it includes. */
export interface Config {
  readonly file: string
  readonly included: readonly string[]
  readonly environments: ReadonlyMap<string, ConfiguredEnvironment>
}

// The members of each object. The JSON Schema lists the same; a test compares them.
export const FILE_MEMBERS = ['$schema', 'environments', 'include'] as const
export const INCLUDED_FILE_MEMBERS = ['$schema', 'environments'] as const
export const ENVIRONMENT_MEMBERS = [
  'backend',
  'issuer',
  'jwksUrl',
  'policy',
  'rootThumbprint',
  'expectedAccount',
  'expectedProject',
] as const
export const POLICY_MEMBERS = ['sign', 'encrypt', 'keys'] as const

/**
 * Reads a configuration and everything that it includes. Paths in a file are relative to that file.
 *
 * @throws ConfigurationError naming the file and the field
 */
export function loadConfig(file: string): Config {
  const members = readField(file).members(FILE_MEMBERS)
  const environments = new Map<string, ConfiguredEnvironment>()
  addEnvironments(environments, members.environments, file)
  const items = members.include.isAbsent ? [] : members.include.items()
  const included = items.map((item) => resolve(dirname(file), item.text()))
  for (const path of included) {
    addEnvironments(environments, readField(path).members(INCLUDED_FILE_MEMBERS).environments, path)
  }
  checkIssuers(environments)
  return { file, included, environments }
}

/** @throws ConfigurationError when the file is not a JSON object, and as readConfigFile */
export function readConfigObject(file: string): JsonObject {
  const bytes = readConfigFile(file)
  try {
    return parseStrictJsonObject(bytes)
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    throw new ConfigurationError(`${file} is refused: ${error.message}`)
  }
}

function readField(file: string): Field {
  return new Field(readConfigObject(file), file)
}

function addEnvironments(environments: Map<string, ConfiguredEnvironment>, field: Field, file: string): void {
  for (const [name, member] of field.entries()) {
    try {
      parseEnvironment(name)
    } catch {
      member.refuse('is not an environment name', 'Use 1 to 31 of a-z, 0-9 and -, starting with a letter')
    }
    const before = environments.get(name)
    if (before) member.refuse(`is in ${before.file} already`, 'Keep one of them')
    environments.set(name, parseEnvironmentField(member, file))
  }
}

function parseEnvironmentField(field: Field, file: string): ConfiguredEnvironment {
  const members = field.members(ENVIRONMENT_MEMBERS)
  const backend = parseBackend(members.backend, members, file)
  const issuer = members.issuer.optionalText()
  const jwksUrl = parseJwksUrl(members.jwksUrl)
  return {
    file,
    backend,
    ...(issuer === undefined ? {} : { issuer }),
    ...(jwksUrl === undefined ? {} : { jwksUrl }),
    ...parsePolicies(members.policy),
  }
}

/** What it may lead to is checked when it is fetched. */
function parseJwksUrl(field: Field): string | undefined {
  const text = field.optionalText()
  if (text !== undefined && !URL.canParse(text.replaceAll('{name}', 'name')))
    field.refuse('is not a URL', 'Write it as https://auth.example.com/keys/{name}/jwks.json')
  return text
}

function parsePolicies(field: Field): Pick<ConfiguredEnvironment, 'policyKeys' | 'policyOf'> {
  if (field.isAbsent) return { policyKeys: [], policyOf: () => ({}) }
  const { keys, ...byPurpose } = field.members(POLICY_MEMBERS)
  const ofPurpose = {
    sign: parseOverrides(byPurpose.sign, 'sign'),
    encrypt: parseOverrides(byPurpose.encrypt, 'encrypt'),
  }
  const ofKey = new Map<string, PolicyOverrides>()
  for (const [name, member] of keys.isAbsent ? [] : keys.entries()) {
    ofKey.set(name, parseOverrides(member, purposeOf(name, member)))
  }
  return {
    policyKeys: [...ofKey.keys()],
    policyOf: (purpose, name) => ({ ...ofPurpose[purpose], ...ofKey.get(`${purpose}/${name}`) }),
  }
}

function purposeOf(name: string, field: Field): Purpose {
  try {
    const { environment, purpose, number } = parseKeySelector(name)
    if (purpose !== undefined && environment === undefined && number === undefined) return purpose
  } catch {
    // Told below.
  }
  return field.refuse('is not a key', `Write it as ${PURPOSES.map((one) => `${one}/name`).join(' or ')}`)
}

function parseOverrides(field: Field, purpose: Purpose): PolicyOverrides {
  if (field.isAbsent) return {}
  const members = Object.entries(field.members(policyFields(purpose))) as [PolicyField, Field][]
  const given = members.filter(([, member]) => !member.isAbsent)
  return Object.fromEntries(given.map(([name, member]) => [name, periodOf(name, member)]))
}

function periodOf(name: PolicyField, field: Field): string {
  return field.parsed((text) => {
    if (name !== 'destroyAfter' || text !== 'never') parseDuration(text)
    return text
  })
}

/** Tokens of one environment must mean nothing in another. */
function checkIssuers(environments: ReadonlyMap<string, ConfiguredEnvironment>): void {
  const owners = new Map<string, string>()
  for (const [name, { issuer, file }] of environments) {
    const owned = issuer ?? `urn:keyturn:${name}`
    const owner = owners.get(owned)
    if (owner !== undefined) {
      throw new ConfigurationError(
        `${file}: ${owner} and ${name} have the same issuer, ${JSON.stringify(owned)}`,
        {
          advice: 'Give each environment an issuer of its own',
        },
      )
    }
    owners.set(owned, name)
  }
}
