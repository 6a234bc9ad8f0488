"""How Habitué is run: images, compose parts, Kubernetes, dashboards; `deploy.local` needs none of them."""
