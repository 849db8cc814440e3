"""TaskManagerPro: a small task manager that stays correct while its database and its session store fail over."""
