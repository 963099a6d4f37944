# A bucket for the JWKS of one environment: everybody reads its documents, and only the publishers write them.
resource "google_storage_bucket" "jwks" {
  project  = var.project
  location = var.location
  name     = var.bucket
  labels   = var.labels

  # Access is the bindings below and nothing else: no object has a list of its own.
  uniform_bucket_level_access = true

  # What was published stays to be looked at, also after a bad publication: replacing an object deletes the one before.
  versioning {
    enabled = true
  }
}

# Documents by their names, without a listing of the bucket: https://cloud.google.com/storage/docs/access-control/iam-roles
resource "google_storage_bucket_iam_member" "readers" {
  bucket = google_storage_bucket.jwks.name
  role   = "roles/storage.legacyObjectReader"
  member = "allUsers"
}

# No role that Google predefines is as small. Cloud Storage asks for `delete` of whoever replaces an object, and without `list` it calls
# a document that is not there yet forbidden.
resource "google_project_iam_custom_role" "publish" {
  project = var.project
  role_id = "keyturn_${replace(var.environment, "-", "_")}_jwks_publish"
  title   = "Keyturn: publish the public keys of ${var.environment}"
  permissions = [
    "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
  ]
}

resource "google_storage_bucket_iam_member" "publishers" {
  for_each = toset(var.publishers)

  bucket = google_storage_bucket.jwks.name
  role   = google_project_iam_custom_role.publish.name
  member = each.value
}
