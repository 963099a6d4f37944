import { createComposedHarness } from '../backends/aws-kms/composed.ts'
import { describeConformance } from '../backends/aws-kms/describe-conformance.ts'
import { createFakePlace, LAG } from '../backends/aws-kms/fake.ts'
import { createAwsHarness } from '../backends/aws-kms/harness.ts'

describeConformance('the AWS KMS backend, with every algorithm', async () =>
  createAwsHarness(await createFakePlace()),
)

describeConformance('the AWS KMS backend, while reads lag behind', async () =>
  createAwsHarness(await createFakePlace(LAG)),
)

describeConformance('signed records with material in AWS KMS', createComposedHarness)
