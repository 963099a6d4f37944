import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createPolicy, formatPolicy, PolicyError, type PolicyOverrides, type Purpose } from '../src/index.ts'
import { keyturnCallsIn, misuseOf } from './support/command-lines.ts'
import {
  anchorsOf,
  codeSpansOf,
  type Fence,
  fencesOf,
  linksOf,
  type Page,
  readPages,
  rowsOf,
} from './support/markdown.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const pages = readPages()
const pageAt = (path: string): Page => {
  const page = pages.find((one) => one.path === path)
  if (!page) throw new Error(`there is no page ${path}`)
  return page
}

/** What is wrong with a link, seen from the page that it stands on. */
function brokenLink(page: Page, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined
  // Whatever shows a page decides what such a link starts from.
  if (link.startsWith('/')) return `${page.path}: ${link} is not relative`
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page.path : join(dirname(page.path), path)
  if (!existsSync(join(ROOT, target))) return `${page.path}: ${link} leads nowhere`
  if (anchor === undefined) return undefined
  const isPage = statSync(join(ROOT, target)).isFile() && target.endsWith('.md')
  const anchors = isPage ? anchorsOf(readFileSync(join(ROOT, target), 'utf8')) : new Set<string>()
  return anchors.has(anchor) ? undefined : `${page.path}: ${link} names no heading`
}

/** The commands that a reader would copy. */
function callsIn(page: Page): readonly { readonly where: string; readonly argv: readonly string[] }[] {
  return fencesOf(page.text).flatMap(({ language, lines }) =>
    lines.flatMap(({ number, text }) =>
      keyturnCallsIn(commandPart(language, text)).map((argv) => ({ where: `${page.path}:${number}`, argv })),
    ),
  )
}

function commandPart(language: Fence['language'], line: string): string {
  if (language === 'sh') return line
  return language === 'crontab' ? line.replace(/^(\S+\s+){5}/, '') : ''
}

describe('the documentation', () => {
  it('has links that lead somewhere', () => {
    const broken = pages.flatMap((page) => linksOf(page.text).map((link) => brokenLink(page, link)))
    expect(broken.filter(Boolean)).toEqual([])
    expect(broken.length).toBeGreaterThan(60)
  })

  it('lists every page where a reader would look for it', () => {
    const index = (path: string): readonly string[] =>
      linksOf(pageAt(path).text).map((link) => join(dirname(path), link.split('#')[0] ?? ''))
    const listed = ['README.md', 'docs/README.md', 'docs/decisions/README.md'].flatMap((path) => [
      path,
      ...index(path),
    ])
    expect(pages.map(({ path }) => path).filter((path) => !listed.includes(path))).toEqual([])
  })

  it('shows commands that exist, with options that they have', () => {
    const calls = pages.flatMap(callsIn)
    const wrong = calls.flatMap(({ where, argv }) => {
      const misuse = misuseOf(argv, 'complete')
      return misuse === undefined ? [] : [`${where}: keyturn ${argv.join(' ')}: ${misuse}`]
    })
    expect(wrong).toEqual([])
    expect(calls.length).toBeGreaterThan(15)
  })

  it('mentions commands that exist', () => {
    const wrong = pages.flatMap(({ path, text }) =>
      codeSpansOf(text)
        .filter((code) => code.startsWith('keyturn ') && !/[<…]/.test(code))
        .flatMap((code) => keyturnCallsIn(code).map((argv) => misuseOf(argv, 'mentioned')))
        .flatMap((misuse) => (misuse === undefined ? [] : [`${path}: ${misuse}`])),
    )
    expect(wrong).toEqual([])
  })
})

describe('what is written of policies', () => {
  it.each(['README.md', 'docs/rotation.md'])('agrees with the defaults in %s', (path) => {
    const rows = rowsOf(pageAt(path).text)
    for (const [column, purpose] of (['sign', 'encrypt'] as const).entries()) {
      const written = [...rows].flatMap(([field, cells]) => {
        const value = cells[column]
        return field in formatPolicy('sign', createPolicy('sign')) && value !== '–' ? [[field, value]] : []
      })
      // 24h and 1d are one length, and are written as they are thought of.
      const read = formatPolicy(purpose, createPolicy(purpose, Object.fromEntries(written)))
      expect(read).toEqual(formatPolicy(purpose, createPolicy(purpose)))
      expect(written).toHaveLength(Object.keys(read).length)
    }
  })

  it('has examples that are accepted', () => {
    const examples = pages
      .flatMap(({ text }) => fencesOf(text).filter(({ language }) => language === 'json'))
      .map(({ lines }) => JSON.parse(lines.map(({ text }) => text).join('\n')))
      .flatMap(({ environments }) => Object.values(environments ?? {}) as { policy?: PolicyExample }[])
      .flatMap(({ policy }) => policy ?? [])
    expect(examples.length).toBeGreaterThan(1)
    for (const { sign = {}, encrypt = {}, keys = {} } of examples) {
      createPolicy('sign', sign)
      createPolicy('encrypt', encrypt)
      for (const [key, overrides] of Object.entries(keys)) {
        const purpose: Purpose = key.startsWith('sign/') ? 'sign' : 'encrypt'
        createPolicy(purpose, { ...(purpose === 'sign' ? sign : encrypt), ...overrides })
      }
    }
  })

  it.each([
    ['sign', 'announcePeriod', 85, {}, '**1h25m**'],
    ['sign', 'retentionPeriod', 135, {}, '**2h15m**'],
    ['encrypt', 'announcePeriod', 11, {}, '**11m**'],
    ['sign', 'announcePeriod', 1510, { publishLag: '1d' }, '1510m'],
    ['sign', 'announcePeriod', 1465, { consumerCache: '24h' }, '1465m'],
  ] as const)('names the smallest %s %s, %s minutes', (purpose, field, minutes, others, written) => {
    expect(pageAt('docs/rotation.md').text).toContain(written)
    expect(() => createPolicy(purpose, { ...others, [field]: `${minutes}m` })).not.toThrow()
    expect(() => createPolicy(purpose, { ...others, [field]: `${minutes - 1}m` })).toThrow(PolicyError)
  })
})

interface PolicyExample {
  readonly sign?: PolicyOverrides
  readonly encrypt?: PolicyOverrides
  readonly keys?: Readonly<Record<string, PolicyOverrides>>
}

describe('what finds mistakes in it', () => {
  const page: Page = { path: 'docs/local.md', text: '' }

  it.each(['nowhere.md', '../README.md#no-such-heading', '#no-such-heading', 'decisions#a', '/README.md'])(
    'finds the broken link %s',
    (link) => {
      expect(brokenLink(page, link)).toContain(link)
    },
  )

  it.each(['../README.md#exit-codes', 'decisions', 'decisions/README.md', 'https://example.com/nowhere#x'])(
    'lets the link %s pass',
    (link) => {
      expect(brokenLink(page, link)).toBeUndefined()
    },
  )

  it('names headings as GitHub does', () => {
    const text = '# A — B, `c` (d)\n## Same\n## Same\n```\n# no heading\n```\n### 1. a_b-c!'
    expect([...anchorsOf(text)]).toEqual(['a--b-c-d', 'same', 'same-1', '1-a_b-c'])
  })

  it('reads a line as a shell does', () => {
    const line = `A=1 keyturn token sign a --claims '{"a": 1}' < in 2>> err > "out file" | jq . && keyturn key list # | keyturn x`
    expect(keyturnCallsIn(line)).toEqual([
      ['token', 'sign', 'a', '--claims', '{"a": 1}'],
      ['key', 'list'],
    ])
    expect(fencesOf('```sh\nkeyturn a \\\n  b\nc\n```')).toEqual([
      {
        language: 'sh',
        lines: [
          { number: 2, text: 'keyturn a b' },
          { number: 4, text: 'c' },
        ],
      },
    ])
  })

  it.each([
    ['key frobnicate', /no command "key frobnicate"/],
    ['key', /no command "key"/],
    ['key list --no-such-option', /no option --no-such-option/],
    ['key list -x', /no option -x/],
    ['key list extra', /no place for extra/],
    ['key show', /key is missing/],
    ['key show Session', /Session/],
    ['key create sign/a --algorithm ES257', /cannot be ES257/],
    ['token sign a --claims', /lacks its value/],
    ['token sign a', /--claims is missing/],
    ['completion fish', /cannot be fish/],
  ])('finds the mistake in keyturn %s', (line, mistake) => {
    expect(misuseOf(line.split(' '), 'complete')).toMatch(mistake)
  })

  it('lets a right call pass', () => {
    expect(misuseOf(['key', 'list', '-e', 'production', '--output=json'], 'complete')).toBeUndefined()
    expect(misuseOf(['token', 'sign'], 'mentioned')).toBeUndefined()
    expect(misuseOf(['--version'], 'mentioned')).toBeUndefined()
  })
})
