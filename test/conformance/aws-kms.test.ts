import { createComposedHarness } from '../backends/aws-kms/composed.ts'
import { describeConformance } from '../backends/aws-kms/describe-conformance.ts'
import { createFakePlace, LAG, offered } from '../backends/aws-kms/fake.ts'
import { createAwsHarness } from '../backends/aws-kms/harness.ts'

// `npm run test:aws` has all of them three times, with every algorithm. RSA keys take long to make.
const algorithms = offered.filter((alg) => !/^[RP]S(384|512)$|^PS256$/.test(alg))

describeConformance('the AWS KMS backend on a service with the rules of AWS', async () =>
  createAwsHarness(await createFakePlace({}, { algorithms })),
)

describeConformance(
  'the AWS KMS backend while reads lag behind',
  async () => createAwsHarness(await createFakePlace(LAG)),
  /^(contention: (losers|of many|the same)|events: another|destruction: a gap)/,
)

describeConformance(
  'signed records with material in AWS KMS',
  createComposedHarness,
  /^(records: every|walls|import: an adopted|destruction: a destroyed)/,
)
