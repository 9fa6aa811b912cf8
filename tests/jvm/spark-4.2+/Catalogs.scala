package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.sql.catalyst.catalog.SessionCatalog
import org.apache.spark.sql.connector.catalog.{CatalogManager, CatalogPlugin, DefaultCatalogManager}

/** Creates the object that the analyzer asks for catalogs. */
object Catalogs {
  def manager(views: CatalogPlugin, tables: SessionCatalog): CatalogManager = new DefaultCatalogManager(views, tables)
}
