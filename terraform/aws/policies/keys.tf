# The policy of a key itself. It says nothing of one version, since each version gets the policy of the one before.
locals {
  uses = {
    sign    = ["kms:Sign", "kms:Verify", "kms:GenerateMac", "kms:VerifyMac"]
    encrypt = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DeriveSharedSecret"]
  }
  other = { sign = "encrypt", encrypt = "sign" }

  everybody = { AWS = "*" }

  key_statements = {
    for id, key in var.keys : id => concat(
      [
        {
          Sid       = "LetIamDecide"
          Effect    = "Allow"
          Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
          Action    = ["kms:*"]
          Resource  = ["*"]
        },
        {
          Sid       = "NobodyChangesWhatItIs"
          Effect    = "Deny"
          Principal = local.everybody
          Action    = ["kms:TagResource", "kms:UntagResource"]
          Resource  = ["*"]
          Condition = {
            Null                       = { "aws:ResourceTag/keyturn-purpose" = "false" }
            "ForAnyValue:StringEquals" = { "aws:TagKeys" = local.identity_tags }
          }
        },
        {
          Sid       = "NobodyUsesItForTheOtherPurpose"
          Effect    = "Deny"
          Principal = local.everybody
          Action    = local.uses[local.other[key.purpose]]
          Resource  = ["*"]
        },
        {
          Sid       = "NobodyTrustsItOnceCompromised"
          Effect    = "Deny"
          Principal = local.everybody
          Action    = key.purpose == "sign" ? ["kms:Sign", "kms:GenerateMac", "kms:VerifyMac"] : ["kms:Encrypt", "kms:ReEncryptTo", "kms:GenerateDataKey*"]
          Resource  = ["*"]
          Condition = { Null = { "aws:ResourceTag/keyturn-compromised" = "false" } }
        },
      ],
      [
        for bound, value in { environment = var.environment, purpose = "encrypt", name = key.name } : {
          Sid                             = "NobodyBindsToAnother${title(bound)}"
          Effect                          = "Deny"
          Principal                       = local.everybody
          Action                          = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
          Resource                        = ["*"]
          Condition                       = { StringNotEquals = { "kms:EncryptionContext:keyturn-${bound}" = value } }
        } if key.key_spec == "SYMMETRIC_DEFAULT"
      ],
    )
  }
}
