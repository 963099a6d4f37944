variable "project" {
  description = "The id of the project that owns the keys."
  type        = string
  nullable    = false
}

variable "location" {
  description = "Where the keys are: europe-west1, eur4, global. A key never leaves it."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "The environment that the keys belong to. A wall, not a label: no key ever leaves it."
  type        = string
  nullable    = false
}

variable "keys" {
  description = "The keys, by name, as terraform/contract takes them; and for how long a destroyed version can be restored."
  type = map(object({
    purpose                    = string
    name                       = optional(string)
    algorithm                  = optional(string)
    modulus_bits               = optional(number)
    content                    = optional(string)
    policy                     = optional(map(string), {})
    destroy_scheduled_duration = optional(string, "2592000s")
  }))
  nullable = false
}

variable "protection_level" {
  description = "Where the first versions are generated and used: SOFTWARE or HSM."
  type        = string
  default     = "SOFTWARE"
  nullable    = false

  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.protection_level)
    error_message = "The protection level is SOFTWARE or HSM."
  }
}

variable "created_at" {
  description = "When the first versions activate, in UTC: 2026-01-31T12:00:00Z. Unless told, a minute after they are created."
  type        = string
  default     = null
}

variable "issuer" {
  description = "The `iss` of the environment's tokens. Unless told, urn:keyturn:<environment>."
  type        = string
  default     = null
}

variable "labels" {
  description = "Further labels for the keys. None may begin with keyturn."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for label in keys(var.labels) : !startswith(label, "keyturn")])
    error_message = "Labels that begin with keyturn are Keyturn's own."
  }
}

variable "members" {
  description = "Who has each role: signer, verifier, encrypter, decrypter, publisher, rotator, custodian. As IAM names them: serviceAccount:…"
  type        = map(list(string))
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for role in keys(var.members) :
      contains(["signer", "verifier", "encrypter", "decrypter", "publisher", "rotator", "custodian"], role)
    ])
    error_message = "The roles are signer, verifier, encrypter, decrypter, publisher, rotator and custodian."
  }
}

variable "names" {
  description = "The keys that the members may use, by name; empty for every key of the environment."
  type        = list(string)
  default     = []
  nullable    = false
}
