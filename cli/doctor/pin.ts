import type { Finding } from '../../src/index.ts'

interface Configured {
  readonly environment: string
  readonly configFile?: string
}

/** Whether the configuration still pins a root that a rekey has replaced: its master key was given up for a reason. */
export function formerPinFindings(
  { environment, configFile }: Configured,
  pinned: string | undefined,
  present: string,
): readonly Finding[] {
  if (pinned === undefined || pinned === present) return []
  return [
    {
      finding: 'configuration',
      severity: 'warning',
      subject: configFile ?? environment,
      message: `the configuration pins the former root ${pinned} of ${environment}: whoever has the master key of that time can mislead this host`,
      advice: `Enter the present root, ${present}, as rootThumbprint; or run keyturn environment rekey -e ${environment}, which replaces nothing again`,
    },
  ]
}
