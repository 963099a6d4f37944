import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A layer, and the layers that it may import besides itself. The longest matching prefix of a path is its layer. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/key': ['src/errors.ts'],
  'src/material': ['src/errors.ts', 'src/key'],
  'src/token': ['src/errors.ts', 'src/key', 'src/material'],
  'src/backend': ['src/errors.ts', 'src/key', 'src/material', 'src/token'],
  'src/backend/conformance': ['src/errors.ts', 'src/key', 'src/material', 'src/token', 'src/backend'],
  'src/backend/conformance.ts': ['src/backend/conformance'],
  'src/backend/log': ['src/errors.ts', 'src/key', 'src/material', 'src/backend'],
  'src/backend/local': ['src/errors.ts', 'src/key', 'src/material', 'src/backend', 'src/backend/log'],
  'src/backend/aws-kms': ['src/errors.ts', 'src/key', 'src/material', 'src/backend'],
  'src/backend/gcp-kms': ['src/errors.ts', 'src/key', 'src/material', 'src/backend'],
  'src/backend/open.ts': [
    'src/errors.ts',
    'src/key',
    'src/backend',
    'src/backend/local',
    'src/backend/aws-kms',
    'src/backend/gcp-kms',
  ],
  'src/rotation': ['src/errors.ts', 'src/key', 'src/backend'],
  'src/keyring': [
    'src/errors.ts',
    'src/key',
    'src/material',
    'src/token',
    'src/backend',
    'src/backend/open.ts',
  ],
  'src/jwks': [
    'src/metrics',
    'src/backend/open.ts',
    'src/errors.ts',
    'src/key',
    'src/material',
    'src/token',
    'src/backend',
    'src/rotation',
    'src/keyring',
    'src/jwks/import.ts',
  ],
  'src/jwks/publish': [
    'src/errors.ts',
    'src/key',
    'src/backend',
    'src/backend/open.ts',
    // How a file is made durable.
    'src/backend/log',
    'src/jwks',
  ],
  'src/jwks/import.ts': ['src/errors.ts', 'src/key', 'src/material'],
  'src/report': ['src/errors.ts', 'src/key', 'src/backend', 'src/rotation'],
  'src/metrics': ['src/errors.ts', 'src/key', 'src/backend', 'src/rotation'],
  'src/index.ts': ['*'],
  cli: ['src/index.ts'],
}

/** Packages, and the only places that may import them. Everything else from npm is refused. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-kms': ['src/backend/aws-kms/'],
  '@aws-sdk/credential-providers': ['src/backend/aws-kms/'],
  jose: ['src/'],
  yargs: ['cli/run.ts'],
  '@google-cloud/kms': ['src/backend/gcp-kms/'],
  '@aws-sdk/client-s3': ['src/jwks/publish/s3.ts'],
  '@google-cloud/storage': ['src/jwks/publish/gcs.ts'],
}

/** What the package publishes, as its sources. */
const ENTRIES: Readonly<Record<string, string>> = {
  '.': 'src/index.ts',
  './local': 'src/backend/local/index.ts',
  './aws-kms': 'src/backend/aws-kms/index.ts',
  './gcp-kms': 'src/backend/gcp-kms/index.ts',
  './conformance': 'src/backend/conformance.ts',
  bin: 'cli/main.ts',
}

interface Import {
  readonly file: string
  readonly target: string
  readonly isLazy: boolean
  readonly isType: boolean
}

const files = [...sourcesIn('src'), ...sourcesIn('cli')]
const imports = files.flatMap(importsOf)

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true })
    .map((name) => `${folder}/${String(name).replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.ts'))
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

function codeOf(file: string): string {
  return textOf(file)
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
}

function importsOf(file: string): readonly Import[] {
  const pattern = /(import type [^']*from\s+|from\s+|import\s+|import\(\s*)'([^']+)'/g
  return [...codeOf(file).matchAll(pattern)].map(([, how = '', specifier = '']) => ({
    file,
    target: specifier.startsWith('.') ? relative(ROOT, join(ROOT, dirname(file), specifier)) : specifier,
    isLazy: how.startsWith('import('),
    isType: how.startsWith('import type'),
  }))
}

function layerOf(file: string): string {
  const matches = Object.keys(LAYERS).filter((layer) => file === layer || file.startsWith(`${layer}/`))
  return matches.sort((a, b) => b.length - a.length)[0] ?? ''
}

describe('the tree', () => {
  it('is seen by this test', () => {
    expect(files.length).toBeGreaterThan(40)
    expect(imports.length).toBeGreaterThan(150)
  })

  it.each(files)('%s imports only what its layer may', (file) => {
    const layer = layerOf(file)
    expect(layer, 'it belongs to no layer').not.toBe('')
    const allowed = LAYERS[layer] ?? []
    const refused = imports
      .filter((one) => one.file === file && /\.ts$|\.json$/.test(one.target))
      .filter(
        ({ target }) =>
          layerOf(target) !== layer && !allowed.includes('*') && !allowed.includes(layerOf(target)),
      )
    expect(refused.map(({ target }) => target)).toEqual([])
  })

  it('imports from npm only what is allowed, where it is allowed', () => {
    const refused = imports.filter(({ file, target }) => {
      if (target.startsWith('node:') || target.endsWith('.ts') || target.endsWith('.json')) return false
      const [name = ''] = /^(@[^/]+\/)?[^/]+/.exec(target) ?? []
      return !(PACKAGES[name] ?? []).some((place) => file.startsWith(place))
    })
    expect(refused).toEqual([])
  })

  it('loads cloud SDKs only when they are needed', () => {
    const isEager = ({ isLazy, isType }: Import): boolean => !isLazy && !isType
    const loaded = new Set(Object.values(ENTRIES))
    for (const file of loaded) {
      for (const one of imports) if (one.file === file && isEager(one)) loaded.add(one.target)
    }
    expect(loaded.size).toBeGreaterThan(80)
    expect([...loaded].filter((target) => target.startsWith('@'))).toEqual([])
  })

  it('has no cycle of imports', () => {
    const next = new Map(
      files.map((file) => [file, imports.filter((one) => one.file === file && !one.isLazy && !one.isType)]),
    )
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      expect(path, 'a cycle').not.toContain(file)
      if (done.has(file)) return
      for (const { target } of next.get(file) ?? []) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
  })

  it('touches neither files, network, processes nor clocks where it is pure', () => {
    const pure = files.filter((file) =>
      /^src\/(key\/|token\/|rotation\/(plan|due)|jwks\/(document|import|check)|report\/)/.test(file),
    )
    expect(pure.length).toBeGreaterThan(15)
    for (const file of pure) {
      const impure = imports
        .filter((one) => one.file === file)
        .map(({ target }) => target)
        .filter((target) => /^node:(fs|net|http|https|tls|dns|child_process|worker_threads|os)/.test(target))
      expect(impure, file).toEqual([])
      expect(codeOf(file), `${file} reads a clock`).not.toMatch(/Date\.now|new Date\(\)|performance\.now/)
    }
  })

  it('has one file that names backends, and loads them lazily', () => {
    const naming = imports.filter(
      ({ file, target }) =>
        /^src\/backend\/(local|aws-kms|gcp-kms)\//.test(target) &&
        !/^src\/backend\/(local|aws-kms|gcp-kms)\//.test(file),
    )
    for (const { file, target } of naming) {
      expect(['src/backend/open.ts', 'src/index.ts'], `${file} imports ${target}`).toContain(file)
    }
  })

  it('has no top-level await, so that CommonJS can require it', () => {
    for (const file of files.filter((one) => one.startsWith('src/'))) {
      expect(codeOf(file), file).not.toMatch(/^(?:const .*= )?await /m)
    }
  })

  it('reads no environment variable in the library', () => {
    for (const file of files.filter((one) => one.startsWith('src/'))) {
      expect(codeOf(file), file).not.toMatch(/process\.env/)
    }
  })

  it('keeps every file short enough to be one idea', () => {
    for (const file of files) expect(textOf(file).split('\n').length, file).toBeLessThan(350)
  })

  it('has no way around the type system', () => {
    for (const file of files) {
      expect(codeOf(file), file).not.toMatch(/\bas any\b|: any\b|@ts-ignore|@ts-expect-error/)
    }
  })
})
