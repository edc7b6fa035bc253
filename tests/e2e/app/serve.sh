#!/bin/sh
exec httpd -f -h /site
