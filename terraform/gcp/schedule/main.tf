# Cloud Scheduler starts a Cloud Run job for each task, as a service account of that task and no other: who rotates does not publish.
locals {
  keyturn = "node /app/node_modules/keyturn/dist/cli/main.js"
  options = "--environment ${var.environment} --config /tmp/keyturn.json"

  # The id of a service account has 30 characters at most, the longest word here leaves 14 to the environment.
  short = length(var.environment) <= 14 ? var.environment : "${substr(var.environment, 0, 5)}-${substr(sha256(var.environment), 0, 8)}"

  jobs = {
    for job, given in {
      rotate = {
        schedule = var.rotate_schedule
        commands = ["rotate --due"]
      }
      publish = {
        schedule = var.publish_schedule
        commands = [for name, target in var.publish : "jwks publish ${name} --to ${target}"]
      }
    } : job => given if length(given.commands) > 0
  }

  # What the job runs. Base64, so that nothing in the configuration can end a quotation. A command that fails does not keep the others
  # from running, and the job ends with its exit code.
  scripts = {
    for job, given in local.jobs : job => join(" ", concat(
      ["printf %s ${base64encode(jsonencode(var.configuration))} | base64 -d > /tmp/keyturn.json || exit; status=0;"],
      [for command in given.commands : "${local.keyturn} ${command} ${local.options} || status=$?;"],
      ["exit $status"],
    ))
  }

  # Written out, so that they are known to a plan: bindings elsewhere are keyed by them.
  members = {
    for job in keys(local.jobs) : job => "serviceAccount:keyturn-${local.short}-${job}@${var.project}.iam.gserviceaccount.com"
  }
}

resource "google_service_account" "job" {
  for_each = local.jobs

  project      = var.project
  account_id   = "keyturn-${local.short}-${each.key}"
  display_name = "Keyturn: ${each.key} in ${var.environment}"
}

resource "google_cloud_run_v2_job" "job" {
  for_each = local.jobs

  project  = var.project
  location = var.location
  name     = "keyturn-${var.environment}-${each.key}"
  labels   = var.labels
  # It holds nothing that could be lost.
  deletion_protection = false

  template {
    task_count  = 1
    parallelism = 1

    template {
      service_account = google_service_account.job[each.key].email
      max_retries     = 2
      timeout         = "900s"

      containers {
        image   = var.image
        command = ["sh", "-c"]
        args    = [local.scripts[each.key]]
      }
    }
  }
}

resource "google_service_account" "start" {
  project      = var.project
  account_id   = "keyturn-${local.short}-start"
  display_name = "Keyturn: start the jobs of ${var.environment}"
}

resource "google_cloud_run_v2_job_iam_member" "start" {
  for_each = local.jobs

  project  = var.project
  location = var.location
  name     = google_cloud_run_v2_job.job[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.start.member
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.jobs

  project     = var.project
  region      = var.location
  name        = "keyturn-${var.environment}-${each.key}"
  description = "Keyturn: ${each.key} in ${var.environment}"
  schedule    = each.value.schedule
  time_zone   = "Etc/UTC"

  # A start that is missed is made up for by the next one.
  retry_config {
    retry_count = 3
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project}/locations/${var.location}/jobs/${google_cloud_run_v2_job.job[each.key].name}:run"

    oauth_token {
      service_account_email = google_service_account.start.email
    }
  }
}
