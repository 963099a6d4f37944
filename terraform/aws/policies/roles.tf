# The seven roles. Each statement allows; what no statement allows, IAM denies.
locals {
  read_actions = ["kms:DescribeKey", "kms:GetPublicKey", "kms:ListResourceTags"]

  # A key whose tags are not seen yet can be described, so that it is told from a forbidden one; its public key waits.
  reads = {
    for purpose in ["sign", "encrypt"] : purpose => [
      {
        Sid       = purpose == "sign" ? "DescribeSigningKeys" : "DescribeEncryptionKeys"
        Effect    = "Allow"
        Action    = ["kms:DescribeKey", "kms:ListResourceTags"]
        Resource  = [local.any_key]
        Condition = { StringEqualsIfExists = local.own[purpose] }
      },
      {
        Sid       = purpose == "sign" ? "ReadSigningKeys" : "ReadEncryptionKeys"
        Effect    = "Allow"
        Action    = ["kms:GetPublicKey"]
        Resource  = [local.any_key]
        Condition = { StringEquals = local.own[purpose] }
      },
    ]
  }

  # AWS lists aliases of the whole account or of none: names, and nothing that a key protects.
  list_aliases = {
    Sid      = "ListAliases"
    Effect   = "Allow"
    Action   = ["kms:ListAliases"]
    Resource = ["*"]
  }

  never_move_a_version = {
    Sid      = "NeverMoveAVersion"
    Effect   = "Deny"
    Action   = ["kms:UpdateAlias", "kms:DeleteAlias"]
    Resource = local.version_aliases
  }

  signer = concat([
    {
      Sid      = "Sign"
      Effect   = "Allow"
      Action   = ["kms:Sign", "kms:GenerateMac"]
      Resource = [local.any_key]
      Condition = {
        StringEquals = local.own.sign
        Null         = local.not_compromised
      }
    },
  ], local.reads.sign)

  verifier = concat([
    {
      Sid      = "VerifyMac"
      Effect   = "Allow"
      Action   = ["kms:VerifyMac"]
      Resource = [local.any_key]
      Condition = {
        StringEquals = merge(local.own.sign, { "kms:KeyUsage" = ["GENERATE_VERIFY_MAC"] })
        Null         = local.not_compromised
      }
    },
  ], local.reads.sign)

  encrypter = concat([
    {
      Sid      = "MakeDataKeys"
      Effect   = "Allow"
      Action   = ["kms:GenerateDataKey"]
      Resource = [local.any_key]
      Condition = {
        StringEquals                = merge(local.own.encrypt, local.context)
        Null                        = merge(local.not_compromised, local.whole_context)
        "ForAllValues:StringEquals" = { "kms:EncryptionContextKeys" = local.context_keys }
      }
    },
  ], local.reads.encrypt)

  # A compromised key still decrypts, so that its data can be wrapped anew.
  decrypter = concat([
    {
      Sid      = "UnwrapDataKeys"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [local.any_key]
      Condition = {
        StringEquals                = merge(local.own.encrypt, local.context, { "kms:KeySpec" = ["SYMMETRIC_DEFAULT"] })
        Null                        = local.whole_context
        "ForAllValues:StringEquals" = { "kms:EncryptionContextKeys" = local.context_keys }
      }
    },
    {
      Sid      = "UnwrapWithRsa"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [local.any_key]
      Condition = {
        StringEquals = local.own.encrypt
        StringLike   = { "kms:KeySpec" = ["RSA_*"] }
      }
    },
  ], local.reads.encrypt)

  publisher = concat(local.reads.sign, [local.list_aliases])

  manage_reads = {
    Sid       = "ReadKeys"
    Effect    = "Allow"
    Action    = concat(local.read_actions, ["kms:GetKeyPolicy"])
    Resource  = [local.any_key]
    Condition = { StringEqualsIfExists = local.own_or_new }
  }

  move_pointers = [
    {
      Sid       = "MovePointersOfKeys"
      Effect    = "Allow"
      Action    = ["kms:UpdateAlias"]
      Resource  = [local.any_key]
      Condition = { StringEqualsIfExists = local.own_or_new }
    },
    {
      Sid      = "MovePointers"
      Effect   = "Allow"
      Action   = ["kms:UpdateAlias"]
      Resource = local.aliases
    },
    local.never_move_a_version,
  ]

  rotator = concat(
    [
      for purpose, usages in local.usages : {
        Sid      = purpose == "sign" ? "CreateSigningKeys" : "CreateEncryptionKeys"
        Effect   = "Allow"
        Action   = ["kms:CreateKey"]
        Resource = ["*"]
        Condition = {
          StringEquals = merge(local.created_here, {
            "aws:RequestTag/keyturn-purpose" = [purpose]
            "kms:KeyUsage"                   = usages
            "kms:KeyOrigin"                  = ["AWS_KMS"]
          })
          Null = local.created_whole
          Bool = { "kms:BypassPolicyLockoutSafetyCheck" = ["false"] }
        }
      }
    ],
    [
      {
        # AWS asks for this beside CreateKey, and cannot tell the two apart.
        Sid      = "TagWhatHasNoPurposeYet"
        Effect   = "Allow"
        Action   = ["kms:TagResource"]
        Resource = [local.any_key]
        Condition = {
          StringEquals                   = merge(local.created_here, { "aws:RequestTag/keyturn-purpose" = ["sign", "encrypt"] })
          Null                           = merge(local.created_whole, { "aws:ResourceTag/keyturn-purpose" = "true" })
          "ForAllValues:StringNotEquals" = { "aws:TagKeys" = local.event_tags }
        }
      },
      {
        Sid      = "RecordSchedules"
        Effect   = "Allow"
        Action   = ["kms:TagResource"]
        Resource = [local.any_key]
        Condition = {
          StringEquals                = local.own_any
          Null                        = { "aws:TagKeys" = "false" }
          "ForAllValues:StringEquals" = { "aws:TagKeys" = local.scheduling_tags }
        }
      },
      {
        Sid       = "CommitKeys"
        Effect    = "Allow"
        Action    = ["kms:CreateAlias"]
        Resource  = [local.any_key]
        Condition = { StringEqualsIfExists = local.own_or_new }
      },
      {
        Sid      = "CommitVersions"
        Effect   = "Allow"
        Action   = ["kms:CreateAlias"]
        Resource = local.aliases
      },
      local.manage_reads,
      local.list_aliases,
    ],
    local.move_pointers,
  )

  custodian = concat(
    [
      {
        Sid    = "StopAndDestroy"
        Effect = "Allow"
        Action = [
          "kms:DisableKey", "kms:EnableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:GetKeyLastUsage",
        ]
        Resource  = [local.any_key]
        Condition = { StringEquals = local.own_any }
      },
      {
        # A stopped key no longer tells its public key, so that goes into tags beside the event.
        Sid      = "RecordEvents"
        Effect   = "Allow"
        Action   = ["kms:TagResource"]
        Resource = [local.any_key]
        Condition = {
          StringEquals              = local.own_any
          Null                      = { "aws:TagKeys" = "false" }
          "ForAllValues:StringLike" = { "aws:TagKeys" = concat(local.event_tags, ["keyturn:public-key:*"]) }
        }
      },
      {
        Sid      = "ReleaseFromTerraform"
        Effect   = "Allow"
        Action   = ["kms:UntagResource"]
        Resource = [local.any_key]
        Condition = {
          StringEquals                = local.own_any
          Null                        = { "aws:TagKeys" = "false" }
          "ForAllValues:StringEquals" = { "aws:TagKeys" = ["keyturn-managed-by"] }
        }
      },
      local.manage_reads,
      merge(local.list_aliases, { Sid = "ListEverything", Action = ["kms:ListAliases", "kms:ListKeys"] }),
    ],
    local.move_pointers,
  )

  roles = {
    signer    = jsonencode({ Version = "2012-10-17", Statement = local.signer })
    verifier  = jsonencode({ Version = "2012-10-17", Statement = local.verifier })
    encrypter = jsonencode({ Version = "2012-10-17", Statement = local.encrypter })
    decrypter = jsonencode({ Version = "2012-10-17", Statement = local.decrypter })
    publisher = jsonencode({ Version = "2012-10-17", Statement = local.publisher })
    rotator   = jsonencode({ Version = "2012-10-17", Statement = local.rotator })
    custodian = jsonencode({ Version = "2012-10-17", Statement = local.custodian })
  }
}
