terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.0 brought the argument `region` of a resource's own data sources; earlier ones lack the specs of Ed25519 and ML-DSA.
      version = ">= 6.0"
    }
  }
}
