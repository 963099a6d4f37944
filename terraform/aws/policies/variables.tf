variable "environment" {
  description = "The environment whose keys the roles may touch, and no other's."
  type        = string
  nullable    = false

  validation {
    # Also what keeps a wildcard of IAM out of the documents.
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "names" {
  description = "The keys that the roles may touch, by name; empty for every key of the environment."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.names : can(regex("^[a-z][a-z0-9-]{0,40}$", name))])
    error_message = "A key is named with 1 to 41 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "keys" {
  description = "The keys that get a key policy, by purpose/name."
  type = map(object({
    purpose  = string
    name     = string
    key_spec = string
  }))
  default  = {}
  nullable = false
}

variable "account_id" {
  description = "The account that the keys are in: twelve digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account is named by its twelve digits."
  }
}

variable "region" {
  description = "The region that the keys are in."
  type        = string
  nullable    = false
}

variable "partition" {
  description = "The partition that the account is in: aws, aws-us-gov or aws-cn."
  type        = string
  default     = "aws"
  nullable    = false
}
