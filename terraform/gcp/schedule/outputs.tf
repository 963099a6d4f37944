output "rotator" {
  description = "Who rotates, as IAM names it: for members.rotator of terraform/gcp."
  value       = local.members.rotate
  depends_on  = [google_service_account.job]
}

output "publishers" {
  description = "Who publishes: for members.publisher of terraform/gcp, and publishers of terraform/gcp/jwks. Empty where nothing is published."
  value       = [for job, member in local.members : member if job == "publish"]
  depends_on  = [google_service_account.job]
}

output "job_names" {
  description = "The Cloud Run job of each task, to start it by hand or to alert on its failures."
  value       = { for job, made in google_cloud_run_v2_job.job : job => made.name }
}
