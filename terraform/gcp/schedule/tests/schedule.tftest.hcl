mock_provider "google" {}

variables {
  project       = "acme-keys"
  location      = "europe-west1"
  environment   = "production"
  image         = "europe-west1-docker.pkg.dev/acme-keys/tools/keyturn:0.1.0"
  configuration = { environments = { production = { backend = { kind = "gcp-kms", project = "acme-keys", location = "europe-west1" } } } }
}

run "a_rotation_alone" {
  command = plan

  assert {
    condition     = keys(google_cloud_run_v2_job.job) == ["rotate"] && keys(google_cloud_scheduler_job.job) == ["rotate"]
    error_message = "Nothing is published unless told."
  }
  assert {
    condition = endswith(
      google_cloud_run_v2_job.job["rotate"].template[0].template[0].containers[0].args[0],
      "status=0; node /app/node_modules/keyturn/dist/cli/main.js rotate --due --environment production --config /tmp/keyturn.json || status=$?; exit $status",
    )
    error_message = "What is due is rotated, and its exit code is the one of the job."
  }
  assert {
    condition = (
      jsondecode(base64decode(split(" ", google_cloud_run_v2_job.job["rotate"].template[0].template[0].containers[0].args[0])[2])) ==
      var.configuration
    )
    error_message = "The configuration is the one that was given."
  }
  assert {
    condition = (
      output.rotator == "serviceAccount:keyturn-production-rotate@acme-keys.iam.gserviceaccount.com" &&
      google_service_account.job["rotate"].account_id == "keyturn-production-rotate"
    )
    error_message = "Whom to bind is known before the apply."
  }
  assert {
    condition     = length(output.publishers) == 0
    error_message = "Nobody publishes."
  }
}

run "a_publication_has_a_service_account_of_its_own" {
  command = plan
  variables {
    publish = {
      internal       = "gs://acme-jwks/internal/jwks.json"
      session-tokens = "gs://acme-jwks/session-tokens/jwks.json"
    }
  }

  assert {
    condition     = output.publishers == ["serviceAccount:keyturn-production-publish@acme-keys.iam.gserviceaccount.com"]
    error_message = "Who publishes does not rotate."
  }
  assert {
    condition = endswith(
      google_cloud_run_v2_job.job["publish"].template[0].template[0].containers[0].args[0],
      "status=0; node /app/node_modules/keyturn/dist/cli/main.js jwks publish internal --to gs://acme-jwks/internal/jwks.json --environment production --config /tmp/keyturn.json || status=$?; node /app/node_modules/keyturn/dist/cli/main.js jwks publish session-tokens --to gs://acme-jwks/session-tokens/jwks.json --environment production --config /tmp/keyturn.json || status=$?; exit $status",
    )
    error_message = "Every key is published, whatever becomes of the one before."
  }
}

run "a_schedule_that_starts_its_job_and_nothing_else" {
  command = plan

  assert {
    condition = (
      google_cloud_run_v2_job_iam_member.start["rotate"].role == "roles/run.invoker" &&
      google_cloud_run_v2_job_iam_member.start["rotate"].name == "keyturn-production-rotate"
    )
    error_message = "The binding is on the job alone."
  }
  assert {
    condition = (
      google_cloud_scheduler_job.job["rotate"].http_target[0].uri ==
      "https://run.googleapis.com/v2/projects/acme-keys/locations/europe-west1/jobs/keyturn-production-rotate:run"
    )
    error_message = "The job is started by the API of Cloud Run."
  }
}

run "a_long_name_of_an_environment" {
  command = plan
  variables {
    environment   = "production-of-the-other-region"
    configuration = { environments = { production-of-the-other-region = {} } }
    publish       = { session-tokens = "gs://acme-jwks/session-tokens/jwks.json" }
  }

  assert {
    condition     = alltrue([for account in google_service_account.job : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", account.account_id))])
    error_message = "The id of a service account has 6 to 30 characters."
  }
}

run "a_command_in_a_target" {
  command = plan
  variables {
    publish = { session-tokens = "gs://acme-jwks/$(id)" }
  }
  expect_failures = [var.publish]
}

run "a_configuration_of_another_environment" {
  command = plan
  variables {
    environment = "staging"
  }
  expect_failures = [var.configuration]
}

run "an_image_without_a_version" {
  command = plan
  variables {
    image = "europe-west1-docker.pkg.dev/acme-keys/tools/keyturn"
  }
  expect_failures = [var.image]
}
