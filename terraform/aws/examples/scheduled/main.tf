# The keys of one environment, rotated and published without a host: the image is built from docs/recipes.

provider "aws" {
  region = "eu-west-1"
}

module "keyturn" {
  source = "../.."

  environment = "production"
  issuer      = "https://auth.example.com"
  keys        = { session-tokens = { purpose = "sign" } }
}

module "jwks" {
  source = "../../jwks"

  environment = "production"
  bucket      = "acme-production-jwks"
}

module "schedule" {
  source = "../../schedule"

  environment   = "production"
  configuration = module.keyturn.keyturn_environment
  image         = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/keyturn:0.1.0"

  rotator_policy_arn = module.keyturn.role_policy_arns.rotator

  publish               = { session-tokens = "${module.jwks.publish_to}/session-tokens/jwks.json" }
  publisher_policy_arns = [module.keyturn.role_policy_arns.publisher, module.jwks.publish_policy_arn]
}
