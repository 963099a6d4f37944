variable "project" {
  description = "The id of the project that owns the bucket."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Where the bucket is: EU, europe-west1."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "The environment whose public keys are published."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "bucket" {
  description = "The name of the bucket to make. Everybody may read what is in it."
  type        = string
  nullable    = false

  validation {
    # Without dots, which would make it a domain name that Google verifies.
    condition     = can(regex("^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket is named with 3 to 63 of a-z, 0-9, - and _."
  }
}

variable "publishers" {
  description = "Who may publish, as IAM names them: serviceAccount:publisher@acme-keys.iam.gserviceaccount.com."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(setintersection(var.publishers, ["allUsers", "allAuthenticatedUsers"])) == 0
    error_message = "Whoever publishes decides which tokens are accepted: name somebody, and not everybody."
  }
}

variable "labels" {
  description = "Labels for the bucket."
  type        = map(string)
  default     = {}
  nullable    = false
}
