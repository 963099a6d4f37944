# The keys of one environment, rotated and published without a host: the image is built from docs/recipes.

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
  keys        = { session-tokens = { purpose = "sign" } }

  members = { rotator = [module.schedule.rotator], publisher = module.schedule.publishers }
}

module "jwks" {
  source = "../../jwks"

  project     = "acme-keys"
  location    = "EU"
  environment = "production"
  bucket      = "acme-production-jwks"
  publishers  = module.schedule.publishers
}

module "schedule" {
  source = "../../schedule"

  project       = "acme-keys"
  location      = "europe-west1"
  environment   = "production"
  configuration = module.keyturn.keyturn_environment
  image         = "europe-west1-docker.pkg.dev/acme-keys/tools/keyturn:0.1.0"
  publish       = { session-tokens = "${module.jwks.publish_to}/session-tokens/jwks.json" }
}
