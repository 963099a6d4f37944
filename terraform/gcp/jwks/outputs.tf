output "publish_to" {
  description = "What `keyturn jwks publish --to` takes, before the path of a document."
  value       = "gs://${google_storage_bucket.jwks.name}"
}

output "base_url" {
  description = "Where consumers fetch from: <base_url>/<path of a document>."
  value       = "https://storage.googleapis.com/${google_storage_bucket.jwks.name}"
}
