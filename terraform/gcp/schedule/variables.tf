variable "project" {
  description = "The id of the project that the jobs run in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project is named by its id: 6 to 30 of a-z, 0-9 and -."
  }
}

variable "location" {
  description = "The region that the jobs run in: europe-west1. The keys may be elsewhere."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "The environment whose keys are rotated."
  type        = string
  nullable    = false

  validation {
    # Also what keeps anything but a name out of a command.
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "configuration" {
  description = "The configuration of Keyturn: the output `keyturn_environment` of terraform/gcp. It holds no secret."
  type        = any
  nullable    = false

  validation {
    condition     = can(var.configuration.environments[var.environment])
    error_message = "The configuration does not have the environment."
  }
}

variable "image" {
  description = "The image of docs/recipes in Artifact Registry, with a tag or a digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9.-]+/[a-z0-9._/-]+(:[\\w.-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "An image is <region>-docker.pkg.dev/<project>/<repository>/<name>, with :<tag> or @<digest>."
  }
}

variable "publish" {
  description = "Where the public keys of each signing key go, by its name: gs://bucket/path. Empty to publish nothing."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    # Both stand in a command of a shell.
    condition = alltrue([
      for name, target in var.publish :
      can(regex("^[a-z][a-z0-9-]*$", name)) && can(regex("^gs://[a-z0-9_-]+/[A-Za-z0-9._/-]+$", target))
    ])
    error_message = "A key is named with a-z, 0-9 and -, and a target is gs://<bucket>/<path>."
  }
}

variable "rotate_schedule" {
  description = "When `keyturn rotate --due` runs: an expression of cron, in UTC."
  type        = string
  default     = "17 3 * * *"
  nullable    = false
}

variable "publish_schedule" {
  description = "When `keyturn jwks publish` runs: more often than `publishLag` in the policy of a key."
  type        = string
  default     = "*/10 * * * *"
  nullable    = false
}

variable "labels" {
  description = "Labels for the jobs."
  type        = map(string)
  default     = {}
  nullable    = false
}
