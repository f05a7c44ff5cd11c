"""How certain a plan is: bootstrap over calibration samples, and tables of the result."""
