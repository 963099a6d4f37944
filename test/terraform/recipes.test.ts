import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { misuseOf } from '../support/command-lines.ts'
import { TERRAFORM } from './terraform.ts'

const RECIPES = fileURLToPath(new URL('../../docs/recipes/', import.meta.url))
/** It has a parser of YAML, which Node.js has not. */
const PYTHON = fileURLToPath(new URL('../../.build/moto/python', import.meta.url))

interface Container {
  readonly args: readonly string[]
  readonly securityContext: object
}

interface Pod {
  readonly automountServiceAccountToken: boolean
  readonly securityContext: object
  readonly containers: readonly Container[]
}

function documentsOf(file: string): readonly Readonly<Record<string, unknown>>[] {
  const script = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin)), default=str))'
  const text = execFileSync(PYTHON, ['-c', script], { input: readFileSync(RECIPES + file), encoding: 'utf8' })
  return JSON.parse(text)
}

function podsOf(file: string): readonly Pod[] {
  const pods: Pod[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if ('containers' in value) pods.push(value as Pod)
    for (const inner of Object.values(value)) visit(inner)
  }
  visit(documentsOf(file))
  return pods
}

describe('the recipes', () => {
  it.each(['kubernetes-rotate.yaml', 'kubernetes-jwks.yaml'])(
    '%s runs a command that exists, with no rights',
    (file) => {
      const pods = podsOf(file)
      expect(pods.length).toBe(1)
      for (const { containers, ...pod } of pods) {
        expect(pod).toMatchObject({
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        })
        for (const { args, securityContext } of containers) {
          expect(misuseOf(args, 'complete')).toBeUndefined()
          expect(securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          })
        }
      }
    },
  )

  it('github-actions-rotate.yml asks for an identity and for reading, and for nothing else', () => {
    const [workflow] = documentsOf('github-actions-rotate.yml')
    expect(workflow?.permissions).toEqual({ 'id-token': 'write', contents: 'read' })
    const runs = JSON.stringify(workflow).match(/keyturn rotate [^"]*/g) ?? []
    expect(runs.length).toBe(1)
    for (const line of runs) expect(misuseOf(line.split(' ').slice(1), 'complete')).toBeUndefined()
    expect(JSON.stringify(workflow)).not.toMatch(/secrets\./)
  })

  it.each(['aws', 'gcp'])('terraform/%s/schedule runs commands that exist', (cloud) => {
    const planned = readFileSync(join(TERRAFORM, cloud, 'schedule/tests/schedule.tftest.hcl'), 'utf8')
    const lines = [...planned.matchAll(/dist\/cli\/main\.js (.*?) \|\|/g)].map(([, line = '']) => line)
    expect(lines.length).toBe(3)
    for (const line of lines) expect(misuseOf(line.split(' '), 'complete')).toBeUndefined()
  })

  it('the image starts from a pinned base, is not root, and starts no shell', () => {
    const lines = readFileSync(`${RECIPES}Dockerfile`, 'utf8').split('\n')
    expect(lines).toContain('ARG NODE_IMAGE=node:24.11.1-bookworm-slim')
    const [base, ...more] = lines.filter((line) => line.startsWith('FROM ')).reverse()
    expect([base, ...more].every((line) => line?.startsWith(`FROM ${'$'}{NODE_IMAGE}`))).toBe(true)
    const last = lines.slice(lines.lastIndexOf(base ?? ''))
    expect(last).toContain('USER 65532:65532')
    expect(last.some((line) => line.startsWith('ENTRYPOINT ["node", '))).toBe(true)
    expect(last.filter((line) => line.startsWith('RUN '))).toEqual([])
  })
})
