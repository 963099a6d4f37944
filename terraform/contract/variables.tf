variable "backend" {
  description = "Where the keys are kept, as the configuration of Keyturn names it: aws-kms or gcp-kms."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["aws-kms", "gcp-kms"], var.backend)
    error_message = "The backend must be aws-kms or gcp-kms."
  }
}

variable "environment" {
  description = "The environment that the keys belong to. A wall, not a label: no key ever leaves it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "keys" {
  description = <<-TEXT
    The keys, by name. A name that both a signing and an encryption key want is given as `name`, under two entries.
    `policy` takes the fields of the policy in keyturn.config.json, under the same names and with the same durations.
  TEXT
  type = map(object({
    purpose      = string
    name         = optional(string)
    algorithm    = optional(string)
    modulus_bits = optional(number)
    content      = optional(string)
    policy       = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition     = alltrue([for key in values(var.keys) : contains(["sign", "encrypt"], key.purpose)])
    error_message = "The purpose of a key is sign or encrypt."
  }

  validation {
    condition = alltrue([
      for entry, key in var.keys : can(regex("^[a-z][a-z0-9-]{0,40}$", coalesce(key.name, entry)))
    ])
    error_message = "A key is named with 1 to 41 of a-z, 0-9 and -, starting with a letter."
  }

  validation {
    condition = length(var.keys) == length(toset([
      for entry, key in var.keys : "${key.purpose}/${coalesce(key.name, entry)}"
    ]))
    error_message = "Two entries name the same key: purpose and name together must be unique."
  }

  validation {
    condition = alltrue([
      for key in values(var.keys) : (
        key.purpose == "sign" ? contains(["jwt", "bytes"], coalesce(key.content, "jwt")) : key.content == null
      )
    ])
    error_message = "The content of a signing key is jwt or bytes; an encryption key has none."
  }
}

variable "created_at" {
  description = "When the first versions are created, in UTC: 2026-01-31T12:00:00Z. They activate at once."
  type        = string
  nullable    = false

  validation {
    condition = (
      can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", var.created_at)) &&
      can(formatdate("YYYY", var.created_at))
    )
    error_message = "A time is written in UTC, as in 2026-01-31T12:00:00Z."
  }

  validation {
    condition     = try(timecmp(var.created_at, "1970-01-01T00:00:00Z") >= 0, false)
    error_message = "The tags count seconds since 1970, and hold no earlier time."
  }
}
