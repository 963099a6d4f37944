import { type DestroyStep, formatDuration, formatInstant, type RotationStep } from '../src/index.ts'

/** A step of a plan, for programs. */
export function viewStep(step: RotationStep | DestroyStep): Readonly<Record<string, unknown>> {
  const { kind, number, safeFrom, reason } = step
  return {
    kind,
    number,
    ...(step.kind === 'add-version'
      ? { activation: step.activation, announcePeriod: formatDuration(step.policy.announcePeriod) }
      : {}),
    ...(step.kind === 'destroy' ? {} : { activatesAt: formatInstant(step.activatesAt) }),
    safeFrom: formatInstant(safeFrom),
    reason,
  }
}

/** A step of a plan, for people, in a few words. */
export function describeStep({ kind, number }: RotationStep | DestroyStep): string {
  switch (kind) {
    case 'add-version':
      return `create @${number}`
    case 'advance':
      return `bring @${number} forward`
    case 'destroy':
      return `destroy @${number}`
  }
}
