output "project_names" {
  description = "The CodeBuild project of each job, to start it by hand or to alert on its failures."
  value       = { for job, project in aws_codebuild_project.job : job => project.name }
}

output "role_names" {
  description = "The role of each job."
  value       = { for job, role in aws_iam_role.job : job => role.name }
}
