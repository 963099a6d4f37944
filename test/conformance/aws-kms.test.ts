import { describeConformance } from '../backends/aws-kms/describe-conformance.ts'
import { createFakePlace, offered } from '../backends/aws-kms/fake.ts'
import { createAwsHarness } from '../backends/aws-kms/harness.ts'

// `npm run test:aws` has all of them with every algorithm, with reads that lag and with signed records. RSA keys take long to make.
const algorithms = offered.filter((alg) => !/^[RP]S(384|512)$|^PS256$/.test(alg))

describeConformance('the AWS KMS backend on a service with the rules of AWS', async () =>
  createAwsHarness(await createFakePlace({}, { algorithms })),
)
