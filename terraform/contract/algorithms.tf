# What each algorithm is called by each cloud. An algorithm that a cloud does not have is absent from its table.
locals {
  default_algorithm = { sign = "ES256", encrypt = "urn:keyturn:kms-wrap" }

  modulus_bits         = [2048, 3072, 4096]
  default_modulus_bits = 3072

  algorithms = {
    sign = [
      "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
      "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
      "HS256", "HS384", "HS512", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
    ]
    encrypt = ["urn:keyturn:kms-wrap", "RSA-OAEP-256"]
  }
  rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "RSA-OAEP-256"]

  # https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
  aws_specs = merge(
    {
      "ES256"                = { key_spec = "ECC_NIST_P256", key_usage = "SIGN_VERIFY" }
      "ES384"                = { key_spec = "ECC_NIST_P384", key_usage = "SIGN_VERIFY" }
      "ES512"                = { key_spec = "ECC_NIST_P521", key_usage = "SIGN_VERIFY" }
      "EdDSA"                = { key_spec = "ECC_NIST_EDWARDS25519", key_usage = "SIGN_VERIFY" }
      "Ed25519"              = { key_spec = "ECC_NIST_EDWARDS25519", key_usage = "SIGN_VERIFY" }
      "HS256"                = { key_spec = "HMAC_256", key_usage = "GENERATE_VERIFY_MAC" }
      "HS384"                = { key_spec = "HMAC_384", key_usage = "GENERATE_VERIFY_MAC" }
      "HS512"                = { key_spec = "HMAC_512", key_usage = "GENERATE_VERIFY_MAC" }
      "ML-DSA-44"            = { key_spec = "ML_DSA_44", key_usage = "SIGN_VERIFY" }
      "ML-DSA-65"            = { key_spec = "ML_DSA_65", key_usage = "SIGN_VERIFY" }
      "ML-DSA-87"            = { key_spec = "ML_DSA_87", key_usage = "SIGN_VERIFY" }
      "urn:keyturn:kms-wrap" = { key_spec = "SYMMETRIC_DEFAULT", key_usage = "ENCRYPT_DECRYPT" }
    },
    {
      for pair in setproduct(local.rsa, local.modulus_bits) : "${pair[0]} ${pair[1]}" => {
        key_spec  = "RSA_${pair[1]}"
        key_usage = pair[0] == "RSA-OAEP-256" ? "ENCRYPT_DECRYPT" : "SIGN_VERIFY"
      }
    },
  )

  # https://cloud.google.com/kms/docs/algorithms: no P-521, no SHA-384 with RSA, and SHA-512 with 4096 bits only.
  gcp_algorithms = merge(
    {
      "ES256"                = { purpose = "ASYMMETRIC_SIGN", algorithm = "EC_SIGN_P256_SHA256" }
      "ES384"                = { purpose = "ASYMMETRIC_SIGN", algorithm = "EC_SIGN_P384_SHA384" }
      "EdDSA"                = { purpose = "ASYMMETRIC_SIGN", algorithm = "EC_SIGN_ED25519" }
      "Ed25519"              = { purpose = "ASYMMETRIC_SIGN", algorithm = "EC_SIGN_ED25519" }
      "HS256"                = { purpose = "MAC", algorithm = "HMAC_SHA256" }
      "HS384"                = { purpose = "MAC", algorithm = "HMAC_SHA384" }
      "HS512"                = { purpose = "MAC", algorithm = "HMAC_SHA512" }
      "ML-DSA-44"            = { purpose = "ASYMMETRIC_SIGN", algorithm = "PQ_SIGN_ML_DSA_44" }
      "ML-DSA-65"            = { purpose = "ASYMMETRIC_SIGN", algorithm = "PQ_SIGN_ML_DSA_65" }
      "ML-DSA-87"            = { purpose = "ASYMMETRIC_SIGN", algorithm = "PQ_SIGN_ML_DSA_87" }
      "RS512 4096"           = { purpose = "ASYMMETRIC_SIGN", algorithm = "RSA_SIGN_PKCS1_4096_SHA512" }
      "PS512 4096"           = { purpose = "ASYMMETRIC_SIGN", algorithm = "RSA_SIGN_PSS_4096_SHA512" }
      "urn:keyturn:kms-wrap" = { purpose = "ENCRYPT_DECRYPT", algorithm = "GOOGLE_SYMMETRIC_ENCRYPTION" }
    },
    { for bits in local.modulus_bits : "RS256 ${bits}" => { purpose = "ASYMMETRIC_SIGN", algorithm = "RSA_SIGN_PKCS1_${bits}_SHA256" } },
    { for bits in local.modulus_bits : "PS256 ${bits}" => { purpose = "ASYMMETRIC_SIGN", algorithm = "RSA_SIGN_PSS_${bits}_SHA256" } },
    { for bits in local.modulus_bits : "RSA-OAEP-256 ${bits}" => { purpose = "ASYMMETRIC_DECRYPT", algorithm = "RSA_DECRYPT_OAEP_${bits}_SHA256" } },
  )
}
