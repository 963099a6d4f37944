import type { Finding } from '../../src/index.ts'

interface Issued {
  readonly issuer?: string
}

/**
 * Whether the issuer in use is that of another environment. A configuration with the same one twice is refused when it is
 * read; a variable that is set for all commands of a shell is the way around that.
 */
export function issuerFindings(
  environment: string,
  { issuer = defaultIssuer(environment) }: Issued,
  configured: ReadonlyMap<string, Issued>,
): readonly Finding[] {
  return [...configured]
    .filter(([name, other]) => name !== environment && (other.issuer ?? defaultIssuer(name)) === issuer)
    .map(([name]) => ({
      finding: 'configuration',
      severity: 'warning',
      subject: environment,
      message: `${environment} issues tokens as ${issuer}, which is the issuer of ${name}`,
      advice: 'Leave out --issuer and KEYTURN_ISSUER, and give each environment its own in the configuration',
    }))
}

function defaultIssuer(environment: string): string {
  return `urn:keyturn:${environment}`
}
