terraform {
  # Validation of a variable that reads another one, as below, came with 1.9.
  required_version = ">= 1.9"
}
