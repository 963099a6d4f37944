# Terraform has no function from a time to seconds since 1970. This is the usual count of days in the Gregorian calendar,
# in years that begin in March, so that a leap day is the last day of its year.
locals {
  clock = {
    for name, format in { year = "YYYY", month = "M", day = "D", hour = "h", minute = "m", second = "s" } :
    name => tonumber(formatdate(format, var.created_at))
  }

  shifted_year  = local.clock.year - (local.clock.month <= 2 ? 1 : 0)
  shifted_month = local.clock.month + (local.clock.month <= 2 ? 9 : -3)
  days = (
    local.shifted_year * 365 + floor(local.shifted_year / 4) - floor(local.shifted_year / 100) +
    floor(local.shifted_year / 400) + floor((153 * local.shifted_month + 2) / 5) + local.clock.day - 1 - 719468
  )

  activates_at = local.days * 86400 + local.clock.hour * 3600 + local.clock.minute * 60 + local.clock.second
}
