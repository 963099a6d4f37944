# The keys of one environment, and an application that may sign with one of them.

provider "aws" {
  region = "eu-west-1"
}

module "keyturn" {
  source = "../.."

  environment = "production"
  issuer      = "https://auth.example.com"

  keys = {
    session-tokens = { purpose = "sign" }
    customer-data  = { purpose = "encrypt" }
  }
}

resource "aws_iam_role" "auth" {
  name = "auth"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy_attachment" "auth_signs" {
  role       = aws_iam_role.auth.name
  policy_arn = module.keyturn.role_policy_arns.signer
}

output "keyturn_environment" {
  value = module.keyturn.keyturn_environment
}
