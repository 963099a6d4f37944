# One account per environment: the strongest wall that AWS has. Keyturn checks expectedAccount before it touches a key.

provider "aws" {
  alias  = "staging"
  region = "eu-west-1"
  assume_role {
    role_arn = "arn:aws:iam::111111111111:role/terraform"
  }
}

provider "aws" {
  alias  = "production"
  region = "eu-west-1"
  assume_role {
    role_arn = "arn:aws:iam::222222222222:role/terraform"
  }
}

locals {
  keys = {
    session-tokens = { purpose = "sign" }
    customer-data  = { purpose = "encrypt" }
  }
}

module "staging" {
  source    = "../.."
  providers = { aws = aws.staging }

  environment = "staging"
  issuer      = "https://auth.staging.example.com"
  keys        = local.keys
}

module "production" {
  source    = "../.."
  providers = { aws = aws.production }

  environment = "production"
  issuer      = "https://auth.example.com"
  keys        = local.keys
}

# terraform output -json keyturn_staging > keyturn.staging.json, and so for production: one `include` each.
output "keyturn_staging" {
  value = module.staging.keyturn_environment
}

output "keyturn_production" {
  value = module.production.keyturn_environment
}
