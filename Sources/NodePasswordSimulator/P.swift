package enum SimPlaceholder {}
