variable "environment" {
  description = "The environment that the keys belong to. A wall, not a label: no key ever leaves it."
  type        = string
  nullable    = false
}

variable "keys" {
  description = "The keys, by name, as terraform/contract takes them; and the days from the destruction of a version to its end."
  type = map(object({
    purpose                 = string
    name                    = optional(string)
    algorithm               = optional(string)
    modulus_bits            = optional(number)
    content                 = optional(string)
    policy                  = optional(map(string), {})
    deletion_window_in_days = optional(number, 30)
  }))
  nullable = false

  validation {
    condition = alltrue([
      for key in values(var.keys) : key.deletion_window_in_days >= 7 && key.deletion_window_in_days <= 30
    ])
    error_message = "AWS deletes a key 7 to 30 days after it was told to."
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

variable "role_arn" {
  description = "The role that Keyturn takes on to reach the keys, where they are in another account than the application."
  type        = string
  default     = null
}

variable "tags" {
  description = "Further tags for everything that this creates. None may begin with keyturn."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for tag in keys(var.tags) : !startswith(lower(tag), "keyturn")])
    error_message = "Tags that begin with keyturn are Keyturn's own."
  }
}
