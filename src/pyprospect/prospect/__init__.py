"""The face that users of R know: sfh_func, sfh_burst, prospect_sed, smstar_func, AGN."""
