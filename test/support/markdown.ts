import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A page of the documentation. Its path is relative to the repository. */
export interface Page {
  readonly path: string
  readonly text: string
}

export interface Fence {
  readonly language: string
  /** With continued lines joined; each with the number of its first line. */
  readonly lines: readonly { readonly number: number; readonly text: string }[]
}

/** Every page that is written for readers: those at the top, and those under docs. */
export function readPages(): readonly Page[] {
  const under = (folder: string, recursive: boolean): readonly string[] =>
    readdirSync(join(ROOT, folder), { recursive })
      .map(String)
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name))
  return [...under('.', false), ...under('docs', true), ...under('terraform', true)].map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }))
}

export function fencesOf(text: string): readonly Fence[] {
  const lines = text.split('\n')
  const fences: Fence[] = []
  for (let index = 0; index < lines.length; index++) {
    const [, language] = /^\s*```(\S*)$/.exec(lines[index] ?? '') ?? []
    if (language === undefined) continue
    const start = index + 1
    do index++
    while (index < lines.length && !/^\s*```$/.test(lines[index] ?? ''))
    fences.push({ language, lines: joinContinued(lines.slice(start, index), start + 1) })
  }
  return fences
}

function joinContinued(lines: readonly string[], first: number): Fence['lines'] {
  const joined: { number: number; text: string }[] = []
  let isContinued = false
  lines.forEach((line, index) => {
    const text = line.replace(/\\$/, '')
    const last = joined.at(-1)
    if (isContinued && last) last.text += text.trimStart()
    else joined.push({ number: first + index, text })
    isContinued = text !== line
  })
  return joined
}

/** What is in code spans, outside of fences. */
export function codeSpansOf(text: string): readonly string[] {
  return [...withoutFences(text).matchAll(/`([^`]+)`/g)].map(([, code]) => (code ?? '').replace(/\s+/g, ' '))
}

/** The targets of links, as written. */
export function linksOf(text: string): readonly string[] {
  const prose = withoutFences(text).replace(/`[^`]*`/g, '')
  return [...prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '')
}

/** What a link to a heading may end with, after `#`, on GitHub. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const [, heading] of withoutFences(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = (heading ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-')
    let anchor = slug
    for (let number = 1; anchors.has(anchor); number++) anchor = `${slug}-${number}`
    anchors.add(anchor)
  }
  return anchors
}

/** The cells of the tables whose first one is a single code span, by what is in it. */
export function rowsOf(text: string): ReadonlyMap<string, readonly string[]> {
  const rows = new Map<string, readonly string[]>()
  for (const line of withoutFences(text).split('\n')) {
    const [, name, rest] = /^\| `([^`]+)` \| (.*) \|$/.exec(line) ?? []
    if (name !== undefined) rows.set(name, (rest ?? '').split(' | '))
  }
  return rows
}

function withoutFences(text: string): string {
  return text.replace(/^\s*```[^\n]*\n[\s\S]*?^\s*```$/gm, '')
}
