# The keys of one environment, and a service account that may sign.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

provider "google" {
  project = "acme-keys"
}

module "keyturn" {
  source = "../.."

  project     = "acme-keys"
  location    = "europe-west1"
  environment = "production"
  issuer      = "https://auth.example.com"

  keys = {
    session-tokens = { purpose = "sign" }
    customer-data  = { purpose = "encrypt" }
  }

  members = { signer = ["serviceAccount:auth@acme-keys.iam.gserviceaccount.com"] }
}

output "keyturn_environment" {
  value = module.keyturn.keyturn_environment
}
